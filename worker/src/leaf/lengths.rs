//! Checks that the objects of a leaf task have the same length.

/// Which objects ended in a segment, and at which column.
#[derive(Default)]
pub(super) struct Ends {
    /// The first object that ended in the segment, and its length.
    over: Option<(usize, u64)>,
    /// The first object that continues behind the segment.
    going_on: Option<usize>,
}

/// Two objects of different lengths.
pub(super) struct Differing {
    /// The index and length of an object that has ended.
    pub(super) one: (usize, u64),
    /// The index of the other object, and its length if it has ended too.
    pub(super) other: (usize, Option<u64>),
}

impl Ends {
    /// Records that an object has been summed up to `column`, which is its length if it
    /// `is_over`.
    ///
    /// # Errors
    ///
    /// If its length differs from that of another object.
    pub(super) fn add(
        &mut self,
        index: usize,
        column: u64,
        is_over: bool,
    ) -> Result<(), Differing> {
        if !is_over {
            self.going_on.get_or_insert(index);
        } else if let Some(one) = self.over {
            if one.1 != column {
                return Err(Differing { one, other: (index, Some(column)) });
            }
        } else {
            self.over = Some((index, column));
        }
        match (self.over, self.going_on) {
            (Some(one), Some(other)) => Err(Differing { one, other: (other, None) }),
            _ => Ok(()),
        }
    }

    /// The length of all objects, if they ended in the segment.
    pub(super) fn columns(&self) -> Option<u64> {
        self.over.map(|(_, columns)| columns)
    }
}
