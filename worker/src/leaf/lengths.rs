//! Holds the objects of a leaf task to one length.

/// Where the objects of a segment end, if they end in it.
#[derive(Default)]
pub(super) struct Ends {
    /// An object that ended in the segment, and its length.
    over: Option<(usize, u64)>,
    /// An object that goes on behind the segment.
    going_on: Option<usize>,
}

/// Two objects that have not the same length.
pub(super) struct Differing {
    /// One whose length is known.
    pub(super) one: (usize, u64),
    /// The other one, and its length if that is known too.
    pub(super) other: (usize, Option<u64>),
}

impl Ends {
    /// Takes in an object that has been added up to a column, which is its
    /// length if it is over; an error if another one's length differs.
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
