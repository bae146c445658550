//! The objects of a leaf task, and how they are read.

use std::ops::Range;
use std::sync::Arc;

use platform::{InputStores, StoreError};
use protocol::request::{Missing, ReadOptions};
use protocol::task::{Failure, InputObject};
use protocol::{JobId, Weight};
use reading::{Buffers, DetectError, Ranges, StoredInput, detect};
use summation::{Detection, Format, Order, Piece};

use super::keys::StoredKeys;
use crate::failure;
use crate::formats::Formats;
use crate::meter::Meter;
use crate::settings::Settings;
use crate::source::{Source, SourceError};
use crate::thread::Thread;

/// The objects of a leaf task, and how they are read.
#[derive(Clone, Copy)]
pub(crate) struct Objects<'a> {
    /// The task's objects, in the order of the job's list.
    pub(crate) objects: &'a [InputObject],
    /// How they are to be read.
    pub(crate) options: &'a ReadOptions,
    /// The object whose parts or shape all others must have.
    pub(crate) reference: Option<&'a InputObject>,
    /// The keys that the rows of all tables must have, if these have a key column.
    pub(crate) keys: Option<StoredKeys<'a>>,
    /// The order of the columns of the job.
    pub(crate) order: Order,
    pub(crate) job: JobId,
    pub(crate) stores: &'a InputStores,
    pub(crate) formats: &'a Formats,
    pub(crate) buffers: &'a Arc<Buffers>,
    pub(crate) settings: &'a Settings,
    pub(crate) meter: &'a Meter,
    pub(crate) thread: Thread,
}

impl Objects<'_> {
    pub(super) const fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn location(&self, index: usize) -> &str {
        &self.objects[index].location
    }

    /// The size of an object in bytes.
    pub(super) fn bytes(&self, index: usize) -> u64 {
        self.objects[index].bytes
    }

    /// The weight of an object; 1 if objects have none.
    pub(super) fn weight(&self, index: usize) -> f64 {
        self.objects[index].weight.map_or(1.0, Weight::get)
    }

    /// Whether a missing value fails the job.
    pub(super) fn refuse_missing(&self) -> bool {
        self.options.missing == Some(Missing::Error)
    }

    /// Opens an object without reading from it. Every read fails if the object is not
    /// the version that the job was planned with.
    pub(super) fn open(&self, index: usize) -> Result<Box<dyn Ranges>, Failure> {
        let location = self.location(index);
        let input = StoredInput::find(&self.objects[index], self.stores)
            .map_err(|error| failure::store(&format!("opening {location}"), &error))?;
        // Reading a file blocks, which a thread shared with others must not do.
        let may_wait = matches!(self.thread, Thread::Own);
        Ok(input.open(self.settings.range_bytes, self.buffers, may_wait))
    }

    /// Detects the format of an object. Also returns the bytes that this has read:
    /// `first_bytes` or more, as far as they fit into one range, and none if the format
    /// was known.
    pub(super) async fn detect(
        &self,
        index: usize,
        ranges: &mut dyn Ranges,
        first_bytes: usize,
    ) -> Result<(Format, Vec<u8>), Failure> {
        let object = &self.objects[index];
        if let Some(format) = self.formats.get(self.job, self.reference, object) {
            return Ok((format, Vec::new()));
        }
        let mut head = Vec::new();
        let mut wanted = first_bytes;
        let mut others = Vec::new();
        loop {
            // Not if another range was asked for.
            if head.is_empty() || (head.len() as u64) < self.bytes(index).min(wanted as u64) {
                self.read_head(index, ranges, &mut head, wanted)
                    .await
                    .map_err(|error| self.unreadable(index, &error))?;
            }
            let InputObject { bytes, parts, .. } = object;
            let detection = Format::detect_in(&head, &others, *bytes, self.options, parts)
                .map_err(|error| self.failure(index, &SourceError::Input(error)))?;
            match detection {
                Detection::Format(format) => {
                    let format = self.align(index, &format).await?;
                    self.formats.remember(self.job, self.reference, object, &format);
                    return Ok((format, head));
                }
                Detection::Needs(bytes) => wanted = bytes,
                Detection::NeedsRanges(wanted) => {
                    let pieces = self.read_ranges(ranges, wanted).await;
                    others.extend(pieces.map_err(|error| self.unreadable(index, &error))?);
                }
            }
        }
    }

    /// The format that reads the parts of an object in the order in which the reference has
    /// them. The object must have the reference's shape.
    async fn align(&self, index: usize, format: &Format) -> Result<Format, Failure> {
        let invalid = |error| self.failure(index, &SourceError::Input(error));
        let Some(reference) = self.reference else {
            return format.aligned(None, "the first file").map_err(invalid);
        };
        if reference.location == self.location(index) {
            return Ok(format.clone());
        }
        let location = &reference.location;
        let of_reference = match self.formats.get(self.job, Some(reference), reference) {
            Some(format) => format,
            None => self.detect_reference(reference).await?,
        };
        let aligned = format.aligned(Some(&of_reference), location).map_err(invalid)?;
        aligned.check_shape(&of_reference, location).map_err(invalid)?;
        Ok(aligned)
    }

    /// Detects the format of the reference.
    async fn detect_reference(&self, reference: &InputObject) -> Result<Format, Failure> {
        let location = &reference.location;
        let detected = detect(self.stores, reference, self.options, summation::HEAD_BYTES).await;
        let (format, head) = detected.map_err(|error| match error {
            DetectError::Store(error) => failure::input(location, &error),
            DetectError::Input(error) => failure::invalid_input(location, &error),
        })?;
        self.count_read(head.len());
        self.formats.remember(self.job, Some(reference), reference, &format);
        Ok(format)
    }

    /// Appends the next range of an object's first bytes to `head`, up to `wanted` bytes
    /// in all.
    async fn read_head(
        &self,
        index: usize,
        ranges: &mut dyn Ranges,
        head: &mut Vec<u8>,
        wanted: usize,
    ) -> Result<(), StoreError> {
        // A single range, so that nothing is prefetched behind it.
        let end = wanted.min(head.len() + self.settings.range_bytes) as u64;
        let end = end.min(self.bytes(index));
        ranges.seek(Box::new(std::iter::once(head.len() as u64..end)));
        ranges.ready().await?;
        let mut buffer = self.buffers.take();
        let piece = ranges.next(&mut buffer)?;
        let bytes = piece.map_or(0, |piece| piece.bytes);
        self.count_read(bytes);
        if head.is_empty() {
            std::mem::swap(head, &mut buffer);
            head.truncate(bytes);
        } else {
            head.extend_from_slice(&buffer[..bytes]);
        }
        self.buffers.give(buffer);
        Ok(())
    }

    /// Reads some ranges of an object.
    async fn read_ranges(
        &self,
        ranges: &mut dyn Ranges,
        wanted: Vec<Range<u64>>,
    ) -> Result<Vec<Piece>, StoreError> {
        ranges.seek(Box::new(wanted.clone().into_iter()));
        let mut bytes = Vec::new();
        let mut buffer = self.buffers.take();
        while !ranges.is_over() {
            ranges.ready().await?;
            if let Some(piece) = ranges.next(&mut buffer)? {
                bytes.extend_from_slice(&buffer[..piece.bytes]);
            }
        }
        self.buffers.give(buffer);
        self.count_read(bytes.len());
        let mut rest = bytes.as_slice();
        let mut pieces = Vec::with_capacity(wanted.len());
        for range in wanted {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let (own, after) = rest.split_at(length.min(rest.len()));
            pieces.push(Piece { start: range.start, bytes: own.to_vec() });
            rest = after;
        }
        Ok(pieces)
    }

    /// Waits for a source's next range and takes it.
    pub(super) async fn fetch(&self, source: &mut Source) -> Result<(), Failure> {
        let fetched = match source.ready().await {
            Ok(()) => source.take_range(),
            Err(error) => Err(error),
        };
        let bytes = fetched.map_err(|error| self.unreadable(source.index, &error))?;
        self.count_read(bytes.unwrap_or_default());
        Ok(())
    }

    /// Determines whether a source has ended, reading further ranges as needed: in text,
    /// blanks may follow the last number.
    pub(super) async fn determine_end(&self, source: &mut Source) -> Result<(), Failure> {
        loop {
            if let Err(error) = source.look_ahead() {
                return Err(self.explained(source.index, SourceError::Input(error)).await);
            }
            if !source.needs_range() {
                return Ok(());
            }
            self.fetch(source).await?;
        }
    }

    /// Adds to the number of input bytes read.
    pub(super) fn count_read(&self, bytes: usize) {
        self.meter.update(|progress| progress.input_read_bytes += bytes as u64);
    }

    /// The failure that an error while reading an object means.
    pub(super) fn failure(&self, index: usize, error: &SourceError) -> Failure {
        match error {
            SourceError::Store(error) => self.unreadable(index, error),
            SourceError::Input(error) => failure::invalid_input(self.location(index), error),
        }
    }

    /// The same, and if it is a key that differs, the key that was expected.
    pub(super) async fn explained(&self, index: usize, error: SourceError) -> Failure {
        if let (SourceError::Input(error), Some(keys)) = (&error, &self.keys)
            && let Some(row) = error.key_row
        {
            return keys.differing(self.location(index), error, row).await;
        }
        self.failure(index, &error)
    }

    /// The failure that an error of the store while reading an object means.
    pub(super) fn unreadable(&self, index: usize, error: &StoreError) -> Failure {
        failure::input(self.location(index), error)
    }
}
