//! The fibres of an array, one after the other.

/// For each fibre, in the order in which they are stored, the column of its
/// first number, as far as the indices that vary from fibre to fibre make it.
pub(super) struct Fibres {
    /// Each index that varies from fibre to fibre, the fastest in storage first.
    indices: Vec<Index>,
    offset: u64,
    is_over: bool,
}

struct Index {
    value: u64,
    length: u64,
    /// How far apart two columns are whose index differs by 1.
    weight: u64,
}

impl Fibres {
    /// From the fibre of this number on.
    pub(super) fn from(lengths: &[u64], weights: &[u64], fibre: u64) -> Fibres {
        let mut rest = fibre;
        let mut indices = Vec::with_capacity(lengths.len());
        let mut offset = 0;
        for (&length, &weight) in lengths.iter().zip(weights) {
            let value = rest % length;
            rest /= length;
            offset += value * weight;
            indices.push(Index { value, length, weight });
        }
        Fibres { indices, offset, is_over: rest > 0 }
    }
}

impl Iterator for Fibres {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.is_over {
            return None;
        }
        let offset = self.offset;
        for index in &mut self.indices {
            index.value += 1;
            self.offset += index.weight;
            if index.value < index.length {
                return Some(offset);
            }
            self.offset -= index.length * index.weight;
            index.value = 0;
        }
        self.is_over = true;
        Some(offset)
    }
}
