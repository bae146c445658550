//! The loops that need AVX2.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_blendv_epi8, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_madd_epi16,
    _mm_maddubs_epi16, _mm_packus_epi32, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32,
    _mm_shuffle_epi8, _mm_sub_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_sub_epi8,
};

use crate::Block;
use crate::format::decimal;

use super::{Decoded, STEP_NUMBERS};

/// How many bytes are searched for separators at a time.
const STEP_BYTES: usize = 2 * STEP_NUMBERS;
/// How many bytes can be read from where a word begins.
const WORD_BYTES: usize = 64;
/// An integer of so many digits is an `f64`, and so are their power of ten and, with one
/// rounding, the quotient of both. Those who write all digits of a number write more.
const EXACT_DIGITS: usize = 13;
/// So many digits are read at a time.
const AT_ONCE: usize = 16;
/// The most digits that an integer of 64 bits holds, if the first is a zero.
const DIGITS_MAX: usize = 20;

/// Whether this processor has what [`decode`] needs.
#[inline]
pub(super) fn is_here() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

/// See [`super::decode`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub(super) fn decode(bytes: &[u8], at: usize, most: usize, block: &mut Block) -> Decoded {
    let mut decoded = Decoded::nothing(at);
    let (mut start, mut step) = (at, at);
    let before = block.len();
    let full = before.saturating_add(most);
    while full - block.len() >= STEP_NUMBERS
        && let Some(both) = bytes.get(step..).and_then(<[u8]>::first_chunk::<{ 2 * STEP_BYTES }>)
    {
        let mut ends = separators(both);
        while ends != 0 {
            let in_step = usize::try_from(ends.trailing_zeros()).unwrap_or(0);
            ends &= ends - 1;
            let end = step + in_step;
            let separator = both[in_step];
            // Not `and_then`: the compiler cannot inline what needs AVX2 into a function that
            // does not.
            let word = bytes[start..].first_chunk::<WORD_BYTES>();
            if let Some(word) = word
                && let Some(number) = number(word, end - start)
            {
                block.push(number);
                decoded.end = end;
            } else if end > start
                || is_mark(separator)
                    && (block.len() == before
                        || bytes[decoded.end..start].iter().any(|&byte| is_mark(byte)))
            {
                decoded.next = start;
                return decoded;
            }
            start = end + 1;
            if separator == b'\n' {
                decoded.lines += 1;
                decoded.line_start = Some(start);
            }
        }
        step += STEP_BYTES;
    }
    decoded.next = start;
    decoded
}

const fn is_mark(separator: u8) -> bool {
    matches!(separator, b',' | b';')
}

/// The separators among the first bytes, a bit each.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn separators(bytes: &[u8; 2 * STEP_BYTES]) -> u64 {
    let some = |at: usize| {
        let bytes = load_32(bytes, at);
        let is = |byte| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
        // Tab, line feed, vertical tab, form feed, carriage return.
        let control = _mm256_sub_epi8(bytes, _mm256_set1_epi8(9));
        let control = at_most(control, 4);
        let marks = _mm256_or_si256(is(b','.cast_signed()), is(b';'.cast_signed()));
        let blanks = _mm256_or_si256(is(b' '.cast_signed()), control);
        u64::from(_mm256_movemask_epi8(_mm256_or_si256(marks, blanks)).cast_unsigned())
    };
    some(0) | some(32) << 32
}

/// The number that is the first `length` bytes of a word, if it is a usual one.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn number(word: &[u8; WORD_BYTES], length: usize) -> Option<f64> {
    let is_negative = word[0] == b'-';
    let first = usize::from(is_negative || word[0] == b'+');
    let length = length.wrapping_sub(first);
    // With a point among them.
    if length.wrapping_sub(1) > DIGITS_MAX {
        return None;
    }
    let bytes = load_32(word, first);
    let values = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed()));
    let digits = _mm256_movemask_epi8(at_most(values, 9)).cast_unsigned();
    let end = 1 << length;
    let others = !digits & (end - 1);
    let whole = usize::try_from((others | end).trailing_zeros()).unwrap_or(0);
    let point = usize::from(others != 0);
    let total = length - point;
    if others & others.wrapping_sub(1) != 0
        || point == 1 && (whole > AT_ONCE || word.get(first + whole) != Some(&b'.'))
        || total.wrapping_sub(1) >= DIGITS_MAX
        || total == DIGITS_MAX && word[first] != b'0'
    {
        return None;
    }
    let digits = without_point(word, first, whole);
    let mut value = up_to_sixteen(_mm_shuffle_epi8(digits, load_16(&TO_THE_RIGHT[total], 0)));
    // Not exactly where it is needed, so that the branch can be foreseen.
    if total > EXACT_DIGITS {
        let more = total.saturating_sub(AT_ONCE);
        value = value * TENS[more] + up_to_four(word, first + AT_ONCE + point, more);
    }
    let places = total - whole;
    let magnitude = if total <= EXACT_DIGITS {
        value.cast_signed() as f64 / EXACT_TENS.get(places)?
    } else {
        decimal::nearest(value, places)?
    };
    Some(if is_negative { -magnitude } else { magnitude })
}

/// The first sixteen digits, a byte each, of a word with a point behind `whole` of them.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn without_point(word: &[u8; WORD_BYTES], first: usize, whole: usize) -> __m128i {
    let (before, behind) = (load_16(word, first), load_16(word, first + 1));
    let is_before = load_16(&FIRST[whole % FIRST.len()], 0);
    let digits = _mm_blendv_epi8(behind, before, is_before);
    _mm_sub_epi8(digits, _mm_set1_epi8(b'0'.cast_signed()))
}

/// Sixteen digits as a number, the first in the lowest byte.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn up_to_sixteen(digits: __m128i) -> u64 {
    let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
    let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x0001_0064));
    let fours = _mm_packus_epi32(fours, fours);
    let eights = _mm_madd_epi16(fours, _mm_set1_epi32(0x0001_2710));
    let eights = _mm_cvtsi128_si64(eights).cast_unsigned();
    (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32)
}

/// Up to four digits from `at` on as a number.
#[inline]
fn up_to_four(word: &[u8; WORD_BYTES], at: usize, count: usize) -> u64 {
    let bytes = word[at..].first_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four));
    // The digits are moved up; what is moved in counts as zeros.
    let digits = (u64::from(bytes & 0x0f0f_0f0f) << (32 - 8 * count)) & 0xffff_ffff;
    let pairs = ((digits * 2561) >> 8) & 0x00ff_00ff;
    ((pairs * 6_553_601) >> 16) & 0xffff
}

/// Which bytes are at most `most`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn at_most(bytes: __m256i, most: i8) -> __m256i {
    _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most)), bytes)
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn load_32(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + 32];
    #[expect(unsafe_code, reason = "the standard library has no other way")]
    // SAFETY: the slice has 32 bytes, and the load needs no alignment.
    unsafe {
        _mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn load_16(bytes: &[u8], at: usize) -> __m128i {
    let bytes = &bytes[at..at + 16];
    #[expect(unsafe_code, reason = "the standard library has no other way")]
    // SAFETY: the slice has 16 bytes, and the load needs no alignment.
    unsafe {
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}

const TENS: [u64; DIGITS_MAX - AT_ONCE + 1] = [1, 10, 100, 1_000, 10_000];

const EXACT_TENS: [f64; EXACT_DIGITS + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13];

/// For each number, a mask of so many first bytes.
static FIRST: [[u8; 16]; 32] = {
    let mut masks = [[0; 16]; 32];
    let mut count = 0;
    while count < 32 {
        let mut byte = 0;
        while byte < count && byte < 16 {
            masks[count][byte] = 0xff;
            byte += 1;
        }
        count += 1;
    }
    masks
};

/// For each number, a shuffle that moves so many first bytes to the end, as far as there
/// are, and zeros before them.
static TO_THE_RIGHT: [[u8; 16]; DIGITS_MAX + 1] = {
    let mut shuffles = [[0x80; 16]; DIGITS_MAX + 1];
    let mut count = 0;
    while count <= DIGITS_MAX {
        let kept = if count < 16 { count } else { 16 };
        let mut byte = 0_u8;
        while (byte as usize) < kept {
            shuffles[count][16 - kept + byte as usize] = byte;
            byte += 1;
        }
        count += 1;
    }
    shuffles
};
