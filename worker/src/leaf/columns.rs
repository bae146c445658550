//! Holds the objects of a leaf task to one length.

use protocol::Problem;
use protocol::task::Failure;
use summation::Block;

use super::Leaf;
use crate::failure;
use crate::source::{Source, count_to_end};

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
    one: (usize, u64),
    /// The other one, and its length if that is known too.
    other: (usize, Option<u64>),
}

impl Ends {
    /// Takes in an object that has been added up; an error if another one's
    /// length differs.
    pub(super) fn add(&mut self, source: &Source) -> Result<(), Differing> {
        if !source.is_over {
            self.going_on.get_or_insert(source.index);
        } else if let Some(one) = self.over {
            if one.1 != source.column {
                return Err(Differing { one, other: (source.index, Some(source.column)) });
            }
        } else {
            self.over = Some((source.index, source.column));
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

impl Leaf<'_> {
    /// Where the columns are known from a header, an object whose format does
    /// not tell them must end with them too.
    pub(super) async fn check_nothing_follows(
        &mut self,
        open: &mut [Source],
        total: u64,
    ) -> Result<(), Failure> {
        for source in open {
            if source.column == total && !self.is_seekable(source.index) {
                let length = self.length(source).await?;
                if length != total {
                    return Err(self.lengths_differ((0, total), (source.index, length)));
                }
            }
        }
        Ok(())
    }

    /// How many numbers an object has, all told.
    async fn length(&self, source: &mut Source) -> Result<u64, Failure> {
        if let Some(columns) = self.columns_by_header(source.index) {
            return Ok(columns);
        }
        count_to_end(source, &mut Block::default())
            .await
            .map_err(|error| self.failure(source.index, error))
    }

    /// Says that two objects are not of the same length. All others must be
    /// closed by now: one may have to be read to its end.
    pub(super) async fn differ(&mut self, Differing { one, other }: Differing) -> Failure {
        let length = match other {
            (_, Some(length)) => Ok(length),
            (index, None) => self.length_of(index).await,
        };
        match length {
            Ok(length) => self.lengths_differ(one, (other.0, length)),
            Err(failure) => failure,
        }
    }

    /// The length of an object that is closed.
    async fn length_of(&mut self, index: usize) -> Result<u64, Failure> {
        let mut source = self.open(index, 0).await?;
        self.length(&mut source).await
    }

    pub(super) fn lengths_differ(&self, one: (usize, u64), other: (usize, u64)) -> Failure {
        let named =
            |(index, columns): (usize, u64)| (self.objects[index].location.as_str(), columns);
        failure::permanent(Problem::lengths_differ(named(one), named(other)))
    }
}
