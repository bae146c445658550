//! Holds the objects of a leaf task to one length.

use protocol::Problem;
use protocol::task::Failure;
use summation::Block;

use super::Leaf;
use crate::failure;
use crate::source::{Source, SourceError, count_to_end};

/// Where the objects of a segment end, if they end in it.
#[derive(Default)]
pub(super) struct Ends {
    /// An object that ended in the segment, and its length.
    over: Option<(usize, u64)>,
    /// An object that goes on behind the segment, or may.
    going_on: Option<usize>,
}

impl Ends {
    /// Takes in an object that has been added up, and fails if another one's
    /// length differs.
    pub(super) async fn add(
        &mut self,
        leaf: &mut Leaf<'_>,
        source: &mut Source,
    ) -> Result<(), Failure> {
        if !source.is_over {
            self.going_on.get_or_insert(source.index);
            if let Some((shorter, columns)) = self.over {
                let longer = leaf.length(source).await?;
                return Err(leaf.lengths_differ((shorter, columns), (source.index, longer)));
            }
            return Ok(());
        }
        match self.over {
            Some((other, columns)) if columns != source.column => {
                Err(leaf.lengths_differ((other, columns), (source.index, source.column)))
            }
            Some(_) => Ok(()),
            None => {
                if let Some(longer) = self.going_on {
                    let length = leaf.length_of(longer).await?;
                    return Err(
                        leaf.lengths_differ((longer, length), (source.index, source.column))
                    );
                }
                self.over = Some((source.index, source.column));
                Ok(())
            }
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
        let object = &self.objects[source.index].location;
        count_to_end(source, &mut Block::default()).await.map_err(|error| match error {
            SourceError::Store(error) => failure::store(&format!("reading {object}"), &error),
            SourceError::Input(error) => failure::invalid_input(object, &error),
        })
    }

    /// The same of an object that may have been closed.
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
