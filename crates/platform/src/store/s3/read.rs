//! Reads ranges of an object. Slow requests are hedged: sent a second time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use protocol::ObjectVersion;
use tokio::time::{Instant, sleep};

use super::{Failure, S3Counts, Shared};
use crate::StoreError;
use crate::store::pin::{self, Pin};

const OPERATION: &str = "GetObject";
/// A range is slow when it takes this many times the usual duration.
const SLOW_FACTOR: u32 = 3;
/// At most one range in this many is hedged, so that a store that is slow in general
/// does not get twice the load.
const RANGES_PER_HEDGE: u64 = 10;
/// The number of hedges that are allowed beyond [`RANGES_PER_HEDGE`].
const FREE_HEDGES: u64 = 4;
/// The weight of one range in the moving average of durations.
const PACE_WEIGHT: f64 = 0.1;

/// The usual duration of ranges, and counts.
#[derive(Default)]
pub(super) struct Pace {
    /// The usual duration in microseconds for a mebibyte; 0 until one is known.
    usual_us: AtomicU64,
    ranges: AtomicU64,
    hedges: AtomicU64,
    hedges_won: AtomicU64,
}

impl Pace {
    pub(super) fn counts(&self, retries: u64) -> S3Counts {
        S3Counts {
            retries,
            ranges: self.ranges.load(Ordering::Relaxed),
            hedges: self.hedges.load(Ordering::Relaxed),
            hedges_won: self.hedges_won.load(Ordering::Relaxed),
        }
    }

    /// The duration after which an answer of this size is slow, at least `least`.
    fn slow_after(&self, bytes: usize, least: Duration) -> Duration {
        let usual = Duration::from_micros(self.usual_us.load(Ordering::Relaxed));
        (usual.mul_f64(mebibytes(bytes)) * SLOW_FACTOR).max(least)
    }

    fn record(&self, bytes: usize, took: Duration) {
        let seen = took.div_f64(mebibytes(bytes)).as_micros();
        let seen = u64::try_from(seen).unwrap_or(u64::MAX);
        let mix = |usual: u64| match usual {
            0 => seen,
            // Durations are far below what f64 represents exactly.
            #[expect(clippy::cast_possible_truncation, reason = "between two u64")]
            usual => (usual as f64).mul_add(1.0 - PACE_WEIGHT, seen as f64 * PACE_WEIGHT) as u64,
        };
        // Of two concurrent updates one may be lost, which does not matter.
        self.usual_us.store(mix(self.usual_us.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    fn may_hedge(&self) -> bool {
        let allowed = FREE_HEDGES + self.ranges.load(Ordering::Relaxed) / RANGES_PER_HEDGE;
        self.hedges.fetch_add(1, Ordering::Relaxed) < allowed || {
            self.hedges.fetch_sub(1, Ordering::Relaxed);
            false
        }
    }
}

/// The size in mebibytes, at least a sixteenth: small answers take time as well.
fn mebibytes(bytes: usize) -> f64 {
    (bytes as f64 / f64::from(1 << 20)).max(1.0 / 16.0)
}

/// The object that a range belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Origin {
    bytes: u64,
    version: Option<ObjectVersion>,
}

impl From<&Pin> for Origin {
    fn from(pin: &Pin) -> Origin {
        Origin { bytes: pin.bytes, version: Some(pin.version.clone()) }
    }
}

impl Shared {
    /// Reads `length` bytes from `offset` on, fewer where the object ends. With `pin`,
    /// the object must be of that version.
    pub(super) async fn read(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        match self.read_of(key, pin.map(Origin::from), offset, length, buffer).await {
            // What has changed is asked for only now.
            Err(ReadError::Replaced) => Err(self.replaced(key, pin).await),
            Err(ReadError::Store(error)) => Err(pin::explain(pin, error)),
            Ok(bytes) => Ok(bytes),
        }
    }

    /// The error for an object that is not of the version that was read before, or is
    /// pinned.
    async fn replaced(&self, key: &str, pin: Option<&Pin>) -> StoreError {
        if let Some(pin) = pin {
            let held = match self.head(key).await {
                Ok(found) => pin.hold(key, found.bytes, found.version.as_ref()),
                Err(error) => Err(pin::explain(Some(pin), error)),
            };
            if let Err(error) = held {
                return error;
            }
        }
        let source = "the object was replaced while it was read".into();
        StoreError::Unavailable { key: key.to_owned(), source }
    }

    async fn read_of(
        &self,
        key: &str,
        origin: Option<Origin>,
        offset: u64,
        length: usize,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, ReadError> {
        buffer.clear();
        if length == 0 {
            let found = self.head(key).await?;
            let found = Origin { bytes: found.bytes, version: found.version };
            return match origin {
                Some(origin) if origin != found => Err(ReadError::Replaced),
                _ => Ok(buffer),
            };
        }
        let full_key = self.full_key(key)?;
        let piece = self.tuning.range_bytes_max as u64;
        let wanted_end = offset.saturating_add(length as u64);
        let first = offset..wanted_end.min(offset.saturating_add(piece));
        let first_end = first.end;
        let (mut buffer, origin) =
            self.range(key, &full_key, first, origin.as_ref(), buffer).await?;
        let end = wanted_end.min(origin.bytes);
        if end <= first_end {
            return Ok(buffer);
        }
        // Reserved only now that the size of the object is known.
        buffer.reserve_exact(usize::try_from(end - first_end).unwrap_or(0));
        let starts = (0..).map(|step| first_end + step * piece).take_while(|start| *start < end);
        let mut pieces = stream::iter(starts)
            .map(|start| {
                let range = start..end.min(start + piece);
                self.range(key, &full_key, range, Some(&origin), Vec::new())
            })
            .buffered(self.tuning.ranges_in_flight);
        while let Some((bytes, _)) = pieces.try_next().await? {
            buffer.extend_from_slice(&bytes);
        }
        drop(pieces);
        Ok(buffer)
    }

    /// Reads one range, retried and hedged. With `origin`, the object must be that
    /// version.
    async fn range(
        &self,
        key: &str,
        full_key: &str,
        range: Range<u64>,
        origin: Option<&Origin>,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Origin), ReadError> {
        let spare = std::sync::Mutex::new(Some(buffer));
        let answer = self.retry(key, || async {
            let buffer = spare.lock().ok().and_then(|mut spare| spare.take());
            self.hedged(full_key, range.clone(), origin, buffer.unwrap_or_default()).await
        });
        let (bytes, of) = match answer.await {
            Ok(answer) => answer,
            // Such an answer does not tell the version.
            Err(failure) if failure.is_beyond_the_end() => {
                let is_expected = origin.is_none_or(|origin| range.start >= origin.bytes);
                let origin = origin.cloned().unwrap_or_default();
                return if is_expected {
                    Ok((Vec::new(), origin))
                } else {
                    Err(ReadError::Replaced)
                };
            }
            Err(failure) if failure.is_of_another_version() => return Err(ReadError::Replaced),
            Err(failure) => return Err(failure.explain(key).into()),
        };
        if origin.is_some_and(|origin| *origin != of) {
            return Err(ReadError::Replaced);
        }
        Ok((bytes, of))
    }

    /// Sends a request, and a second one if the answer is slow; the first answer
    /// counts.
    async fn hedged(
        &self,
        full_key: &str,
        range: Range<u64>,
        origin: Option<&Origin>,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Origin), Failure> {
        self.pace.ranges.fetch_add(1, Ordering::Relaxed);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let slow_after = self.pace.slow_after(length, self.tuning.hedge_after_min);
        let began = Instant::now();
        let mut first = Box::pin(self.fetch(full_key, range.clone(), origin, buffer));
        let answer = tokio::select! {
            answer = &mut first => answer,
            () = sleep(slow_after) => {
                if self.pace.may_hedge() {
                    let mut second = Box::pin(self.fetch(full_key, range, origin, Vec::new()));
                    tokio::select! {
                        answer = &mut first => match answer {
                            Ok(answer) => Ok(answer),
                            Err(_) => second.await,
                        },
                        answer = &mut second => match answer {
                            Ok(answer) => {
                                self.pace.hedges_won.fetch_add(1, Ordering::Relaxed);
                                Ok(answer)
                            }
                            Err(_) => first.await,
                        },
                    }
                } else {
                    first.await
                }
            }
        };
        if let Ok((bytes, of)) = &answer {
            self.pace.record(bytes.len(), began.elapsed());
            if origin.is_none() || origin == Some(of) {
                tracing::trace!(full_key, bytes = bytes.len(), "read a range");
            }
        }
        answer
    }

    async fn fetch(
        &self,
        full_key: &str,
        range: Range<u64>,
        origin: Option<&Origin>,
        mut buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Origin), Failure> {
        buffer.clear();
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(full_key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_if_match(origin.and_then(if_match))
            .send()
            .await
            .map_err(|error| Failure::of(OPERATION, &error))?;
        let expected = answer.content_length().and_then(|it| usize::try_from(it).ok());
        let whole = answer
            .content_range()
            .and_then(|text| text.rsplit_once('/'))
            .and_then(|(_, whole)| whole.parse().ok());
        let origin = Origin {
            bytes: whole.unwrap_or(range.start + expected.unwrap_or(0) as u64),
            version: answer.e_tag().map(ObjectVersion::of_etag),
        };
        if range.start > 0 && answer.content_range().is_none() {
            return Err(Failure::unanswered(OPERATION, "the store does not support ranges"));
        }
        buffer.reserve_exact(expected.unwrap_or(0));
        let mut body = answer.body;
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| {
                Failure::unanswered(OPERATION, format!("the answer was cut short: {error}"))
            })?;
            buffer.extend_from_slice(&bytes);
        }
        if expected.is_some_and(|expected| expected != buffer.len()) {
            return Err(Failure::unanswered(OPERATION, "the answer was cut short"));
        }
        Ok((buffer, origin))
    }
}

/// The precondition that the object is of a version. A weak ETag never fulfils one; the
/// version of the answer is compared in any case.
fn if_match(origin: &Origin) -> Option<String> {
    let etag = origin.version.as_ref()?.etag()?;
    (!etag.starts_with("W/")).then(|| format!("\"{etag}\""))
}

/// Why a range could not be read.
enum ReadError {
    /// The object is of another version than before.
    Replaced,
    Store(StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> ReadError {
        ReadError::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1 << 20;

    #[test]
    fn an_answer_is_slow_by_what_is_usual() {
        let pace = Pace::default();
        let least = Duration::from_millis(10);
        assert_eq!(pace.slow_after(8 * MEBIBYTE, least), least, "nothing is known yet");
        for _ in 0..100 {
            pace.record(8 * MEBIBYTE, Duration::from_millis(80));
        }
        assert_eq!(pace.slow_after(8 * MEBIBYTE, least), Duration::from_millis(240));
        assert_eq!(pace.slow_after(4 * MEBIBYTE, least), Duration::from_millis(120));
    }

    #[test]
    fn a_store_that_is_slow_with_everything_is_not_asked_twice_for_everything() {
        let pace = Pace::default();
        pace.ranges.store(100, Ordering::Relaxed);
        let hedged = (0..100).filter(|_| pace.may_hedge()).count();
        assert_eq!(hedged, 14);
    }
}
