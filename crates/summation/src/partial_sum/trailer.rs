//! What a segment carries beside its numbers.

use crate::Checkpoint;

/// Where the reading of each input object stood at the end of a segment, so
/// that another attempt can go on from there.
///
/// It follows from the objects and the segment alone, so that any two attempts
/// write the same. Empty for what can be sought without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// One for each object, in the order of the task's list.
    pub ends: Vec<ObjectEnd>,
}

/// Where the reading of one object stood at the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectEnd {
    /// Right behind the segment's last number of that object.
    pub checkpoint: Checkpoint,
    /// Whether the object has no more numbers.
    pub ended: bool,
}

/// How many bytes one object takes.
const END_BYTES: usize = 33;

impl Trailer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.ends.len() * END_BYTES);
        for ObjectEnd { checkpoint, ended } in &self.ends {
            for number in
                [checkpoint.byte, checkpoint.column, checkpoint.line, checkpoint.line_start]
            {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.push(u8::from(*ended));
        }
        bytes
    }

    /// `None` if the bytes are no trailer.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Trailer> {
        let (ends, []) = bytes.as_chunks::<END_BYTES>() else {
            return None;
        };
        let ends = ends.iter().map(|end| {
            let (numbers, ended) = end.as_chunks::<8>();
            let number = |index: usize| u64::from_le_bytes(numbers[index]);
            Some(ObjectEnd {
                checkpoint: Checkpoint {
                    byte: number(0),
                    column: number(1),
                    line: number(2),
                    line_start: number(3),
                },
                ended: match ended {
                    [0] => false,
                    [1] => true,
                    _ => return None,
                },
            })
        });
        Some(Trailer { ends: ends.collect::<Option<Vec<_>>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_reads_back() {
        let trailer = Trailer {
            ends: vec![
                ObjectEnd::default(),
                ObjectEnd {
                    checkpoint: Checkpoint { byte: 1, column: u64::MAX, line: 3, line_start: 4 },
                    ended: true,
                },
            ],
        };
        assert_eq!(Trailer::decode(&trailer.encode()), Some(trailer));
    }

    #[test]
    fn what_is_no_trailer_is_refused() {
        assert_eq!(Trailer::decode(&[0; END_BYTES - 1]), None);
        assert_eq!(Trailer::decode(&[2; END_BYTES]), None);
    }
}
