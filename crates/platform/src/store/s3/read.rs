//! Ranges of an object; what is slow is asked for a second time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use super::{Failure, S3Counts, Shared};
use crate::StoreError;

const OPERATION: &str = "GetObject";
/// A range is slow when it takes so many times as long as ranges usually do.
const SLOW_FACTOR: u32 = 3;
/// One range in so many is asked for a second time at most, so that a store
/// that is slow with everything is not asked for twice as much.
const HEDGE_SHARE: u64 = 10;
/// Before the share is known to be kept, so many may be.
const HEDGES_FREE: u64 = 4;
/// The weight of one range in the usual time.
const PACE_WEIGHT: f64 = 0.1;

/// How long ranges usually take, for a whole range of the largest size.
#[derive(Default)]
pub(super) struct Pace {
    /// Microseconds for a mebibyte; 0 until something is known.
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

    /// When an answer of so many bytes is slow.
    fn slow_after(&self, bytes: usize, least: Duration) -> Duration {
        let usual = Duration::from_micros(self.usual_us.load(Ordering::Relaxed));
        (usual.mul_f64(mebibytes(bytes)) * SLOW_FACTOR).max(least)
    }

    fn learn(&self, bytes: usize, took: Duration) {
        let seen = took.div_f64(mebibytes(bytes)).as_micros();
        let seen = u64::try_from(seen).unwrap_or(u64::MAX);
        let mix = |usual: u64| match usual {
            0 => seen,
            // Rates are far below what f64 holds exactly.
            #[expect(clippy::cast_possible_truncation, reason = "between two u64")]
            usual => (usual as f64).mul_add(1.0 - PACE_WEIGHT, seen as f64 * PACE_WEIGHT) as u64,
        };
        // Which of two concurrent lessons is lost does not matter.
        self.usual_us.store(mix(self.usual_us.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    fn may_hedge(&self) -> bool {
        let allowed = HEDGES_FREE + self.ranges.load(Ordering::Relaxed) / HEDGE_SHARE;
        self.hedges.fetch_add(1, Ordering::Relaxed) < allowed || {
            self.hedges.fetch_sub(1, Ordering::Relaxed);
            false
        }
    }
}

/// At least a sixteenth, as a small answer takes its time as well.
fn mebibytes(bytes: usize) -> f64 {
    (bytes as f64 / f64::from(1 << 20)).max(1.0 / 16.0)
}

/// The object that a range belongs to, as the store told it with the range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Origin {
    bytes: u64,
    etag: Option<String>,
}

impl Shared {
    /// Reads `length` bytes from `offset` on, fewer where the object ends.
    pub(super) async fn read(
        &self,
        key: &str,
        offset: u64,
        length: usize,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        buffer.clear();
        if length == 0 {
            self.head(key).await?;
            return Ok(buffer);
        }
        let full_key = self.full_key(key)?;
        let piece = self.tuning.range_bytes_max as u64;
        let wanted_end = offset.saturating_add(length as u64);
        let first = offset..wanted_end.min(offset.saturating_add(piece));
        let first_end = first.end;
        let (mut buffer, origin) = self.range(key, &full_key, first, None, buffer).await?;
        let end = wanted_end.min(origin.bytes);
        if end <= first_end {
            return Ok(buffer);
        }
        // How much is left is known only now, so nothing was reserved for nothing.
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

    /// One range, retried and hedged. Of `origin`, if that is given.
    async fn range(
        &self,
        key: &str,
        full_key: &str,
        range: Range<u64>,
        origin: Option<&Origin>,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Origin), StoreError> {
        let spare = std::sync::Mutex::new(Some(buffer));
        let answer = self.retry(key, || async {
            let buffer = spare.lock().ok().and_then(|mut spare| spare.take());
            self.hedged(full_key, range.clone(), origin, buffer.unwrap_or_default()).await
        });
        let (bytes, of) = match answer.await {
            Ok(answer) => answer,
            Err(failure) if failure.is_beyond_the_end() => (Vec::new(), Origin::default()),
            Err(failure) => return Err(failure.explain(key)),
        };
        if origin.is_some_and(|origin| *origin != of) {
            let source = "the object was replaced while it was read".into();
            return Err(StoreError::Unavailable { key: key.to_owned(), source });
        }
        Ok((bytes, of))
    }

    /// Asks once, and if the answer is slow, once more; the first to be there
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
        let mut first = Box::pin(self.fetch(full_key, range.clone(), buffer));
        let answer = tokio::select! {
            answer = &mut first => answer,
            () = sleep(slow_after) => {
                if self.pace.may_hedge() {
                    let mut second = Box::pin(self.fetch(full_key, range, Vec::new()));
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
            self.pace.learn(bytes.len(), began.elapsed());
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
        mut buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Origin), Failure> {
        buffer.clear();
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(full_key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
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
            etag: answer.e_tag().map(str::to_owned),
        };
        if range.start > 0 && answer.content_range().is_none() {
            return Err(Failure::unanswered(OPERATION, "the store does not know ranges"));
        }
        buffer.reserve_exact(expected.unwrap_or(0));
        let mut body = answer.body;
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| {
                Failure::unanswered(OPERATION, format!("the answer broke off: {error}"))
            })?;
            buffer.extend_from_slice(&bytes);
        }
        if expected.is_some_and(|expected| expected != buffer.len()) {
            return Err(Failure::unanswered(OPERATION, "the answer broke off"));
        }
        Ok((buffer, origin))
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
            pace.learn(8 * MEBIBYTE, Duration::from_millis(80));
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
