//! The checksum of what describes the numbers.
//!
//! Source: lookup3.c, Bob Jenkins, May 2006, Public Domain: its `hashlittle` with the initial
//! value 0.

/// The checksum of some bytes.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    /// So many bytes are mixed at a time.
    const STEP: usize = 12;

    // As the algorithm has it, the length modulo 2^32.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or_default();
    let mut state = [0xdead_beef_u32.wrapping_add(length); 3];
    let mut rest = bytes;
    // The last ones are mixed otherwise, also if they are a whole step.
    while rest.len() > STEP {
        let (now, after) = rest.split_at(STEP);
        add(&mut state, now);
        mix(&mut state);
        rest = after;
    }
    if rest.is_empty() {
        return state[2];
    }
    let mut last = [0; STEP];
    last[..rest.len()].copy_from_slice(rest);
    add(&mut state, &last);
    finish(&mut state);
    state[2]
}

fn add(state: &mut [u32; 3], bytes: &[u8]) {
    for (value, word) in state.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *value = value.wrapping_add(u32::from_le_bytes(*word));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    for (first, second) in [(4, 6), (16, 19)] {
        *a = a.wrapping_sub(*c) ^ c.rotate_left(first);
        *c = c.wrapping_add(*b);
        *b = b.wrapping_sub(*a) ^ a.rotate_left(second);
        *a = a.wrapping_add(*c);
        *c = c.wrapping_sub(*b) ^ b.rotate_left(if first == 4 { 8 } else { 4 });
        *b = b.wrapping_add(*a);
    }
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let step =
        |value: &mut u32, by: u32, bits| *value = (*value ^ by).wrapping_sub(by.rotate_left(bits));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_source() {
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }
}
