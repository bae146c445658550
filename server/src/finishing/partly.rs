//! The mean of the columns whose final segments are stored, while a job still runs.
//!
//! The cost does not depend on the number of columns: of many segments some are read, each
//! once, and only the ranges of their values are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use protocol::result::{Image, PlotPoint};
use protocol::task::segment_key;
use protocol::view::Envelope;
use reading::{Buffers, StoredSum};

use super::array::ArrayPlan;
use super::picture::Picture;
use super::{RANGE_BYTES, Total, Undivided, divide};

/// The most points of a plot.
const POINTS: u64 = 512;
/// The most segments that are read for a plot: of more, each that is read stands for its
/// neighbours.
const SEGMENTS_READ: u64 = 64;
/// How many segments are read for one look at the job.
const READ_AT_ONCE: usize = 4;
/// The most jobs whose points are kept.
const JOBS_KEPT: usize = 8;

/// What is known of the latest jobs, by the prefix of their segments.
#[derive(Debug, Default)]
pub struct Known(Vec<(String, KnownOfJob)>);

/// What the segments that were read tell.
#[derive(Debug)]
struct KnownOfJob {
    /// The points of each, by its number.
    points: BTreeMap<u64, Points>,
    /// Their numbers, if the result has two dimensions.
    picture: Option<Picture>,
}

/// Points by their index in the plot.
type Points = BTreeMap<u64, PlotPoint>;

/// The mean as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partly {
    /// The ranges of the means; without a point where they are not known yet.
    pub envelope: Envelope,
    /// The mean as a picture, if it has two dimensions, with the values of its first and last
    /// level; level 0 where it is not known yet.
    pub image: Option<(Image, (f64, f64))>,
    /// The number of final segments that are stored.
    pub stored: u64,
    /// The number of final segments.
    pub segments: u64,
}

impl Known {
    /// The mean as far as its final segments are stored; `None` if none is. Reads some that
    /// were not read before.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn look(
        &mut self,
        store: &Arc<dyn ObjectStore>,
        total: &Total,
    ) -> Result<Option<Partly>, Problem> {
        let segments = total.columns.div_ceil(total.plan.segment_columns.max(1));
        let step = segments.div_ceil(SEGMENTS_READ).max(1);
        let listing = |error: StoreError| error.problem("listing the final segments");
        let mut stored = 0;
        let mut listed = store.list(&total.root);
        let mut keys = Vec::new();
        while let Some(object) = listed.try_next().await.map_err(listing)? {
            stored += 1;
            keys.push(object.key);
        }
        drop(listed);
        if stored == 0 {
            return Ok(None);
        }
        let is_stored =
            |segment: u64| keys.binary_search(&segment_key(&total.root, segment)).is_ok();
        // One of each group of neighbours, the first that is stored when it is looked for.
        let known = self.of(total);
        let mut read = 0;
        for first in (0..segments).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            let mut group = first..(first + step).min(segments);
            if read >= READ_AT_ONCE || known.points.range(group.clone()).next().is_some() {
                continue;
            }
            let Some(segment) = group.find(|segment| is_stored(*segment)) else {
                continue;
            };
            read += 1;
            match read_segment(store, total, segment, known.picture.as_mut()).await {
                Ok(found) => {
                    known.points.insert(segment, found);
                    let columns = total.plan.segment_columns;
                    if let Some(picture) = known.picture.as_mut().filter(|_| step > 1) {
                        let end = (first + step).saturating_mul(columns).min(total.columns);
                        picture.spread(first * columns..end);
                    }
                }
                // Meanwhile the job is over and its partial sums are deleted, or the segment
                // is damaged, which is noticed when the result is written.
                Err(Undivided::Sum(error)) => {
                    tracing::debug!(%error, segment, "final segment cannot be shown");
                }
                Err(Undivided::Problem(problem)) => return Err(problem),
            }
        }
        let envelope = envelope(&known.points, total, step, segments);
        let picture = known.picture.as_ref();
        let image = picture.and_then(|picture| Some((picture.image(), picture.range()?)));
        Ok(Some(Partly { envelope, image, stored, segments }))
    }

    /// What is known of a job; the one that was looked at longest ago is forgotten.
    fn of(&mut self, total: &Total) -> &mut KnownOfJob {
        let known = match self.0.iter().position(|(known, _)| *known == total.root) {
            Some(at) => self.0.remove(at),
            None => {
                let picture = Picture::new(total);
                (total.root.clone(), KnownOfJob { points: BTreeMap::new(), picture })
            }
        };
        self.0.truncate(JOBS_KEPT - 1);
        self.0.insert(0, known);
        &mut self.0[0].1
    }
}

/// How many points the plot of a mean has.
fn points_of(columns: u64) -> u64 {
    columns.clamp(1, POINTS)
}

/// The point of a plot that a column belongs to.
fn point_of(column: u64, columns: u64) -> u64 {
    let point = u128::from(column) * u128::from(points_of(columns)) / u128::from(columns.max(1));
    u64::try_from(point).unwrap_or(u64::MAX)
}

/// Divides one final segment, draws its values, and keeps their ranges.
async fn read_segment(
    store: &Arc<dyn ObjectStore>,
    total: &Total,
    segment: u64,
    picture: Option<&mut Picture>,
) -> Result<Points, Undivided> {
    let start = segment * total.plan.segment_columns;
    let columns = total.columns.saturating_sub(start).min(total.plan.segment_columns);
    let buffers = Arc::new(Buffers::new(1));
    let sum = StoredSum::open(store, segment_key(&total.root, segment), RANGE_BYTES, &buffers);
    let divided = divide(sum, (start, columns), total, vec![ArrayPlan::mean()], Vec::new()).await?;
    let mut points = Points::new();
    if let Some(picture) = picture {
        divided.iter().fold(start, |column, numbers| {
            picture.add(column, numbers.all());
            column + numbers.all().len() as u64
        });
    }
    for (column, value) in (start..).zip(divided.iter().flat_map(super::array::Numbers::all)) {
        if value.is_finite() {
            let point = points.entry(point_of(column, total.columns));
            let point = point.or_insert(PlotPoint { min: *value, max: *value });
            point.min = point.min.min(*value);
            point.max = point.max.max(*value);
        }
    }
    Ok(points)
}

/// The points of all segments that were read. One that stands for its neighbours gives
/// their points the range of its values.
fn envelope(known: &BTreeMap<u64, Points>, total: &Total, step: u64, segments: u64) -> Envelope {
    let columns = total.columns;
    let length = usize::try_from(points_of(columns)).unwrap_or_default();
    let mut points: Vec<Option<PlotPoint>> = vec![None; length];
    let mut put = |index: u64, point: PlotPoint| {
        let place = usize::try_from(index).ok().and_then(|index| points.get_mut(index));
        if let Some(place) = place {
            let joined = place.map_or(point, |other| PlotPoint {
                min: other.min.min(point.min),
                max: other.max.max(point.max),
            });
            *place = Some(joined);
        }
    };
    for (segment, of_segment) in known {
        if step == 1 {
            of_segment.iter().for_each(|(index, point)| put(*index, *point));
            continue;
        }
        let ranges = of_segment.values().copied();
        let Some(whole) = ranges.reduce(|one, other| PlotPoint {
            min: one.min.min(other.min),
            max: one.max.max(other.max),
        }) else {
            continue;
        };
        let first = segment / step * step;
        let end = (first + step).min(segments) * total.plan.segment_columns;
        let last = end.min(columns).saturating_sub(1);
        let from = point_of(first * total.plan.segment_columns, columns);
        (from..=point_of(last, columns)).for_each(|index| put(index, whole));
    }
    Envelope { start: 0, end: columns, columns, points }
}

#[cfg(test)]
mod tests {
    use platform::store::local::LocalStore;
    use protocol::plan::{Estimate, PlanLevel};
    use protocol::request::Missing;
    use protocol::{JobId, Plan, Timestamp};
    use summation::{Block, Order, PartialSum, Trailer};

    use super::*;

    /// Two objects of so many columns, in segments of 1,024.
    fn total(columns: u64) -> Total {
        let level = PlanLevel { nodes: 1, ranges: 1, range_segments: u64::MAX, fan_in: 2 };
        Total {
            job: JobId::from_parts(Timestamp::from_millis(1), 1),
            plan: Plan {
                objects: 2,
                columns: Some(columns),
                fan_in: 2,
                segment_columns: 1024,
                partial_column_bytes: 16,
                levels: vec![level],
                estimate: Estimate::default(),
            },
            root: "sums/0/0/".to_owned(),
            columns,
            shape: None,
            order: Order::C,
            statistics: Vec::new(),
            missing: Missing::default(),
            typed: None,
            npy_dtype: None,
            weighted: false,
        }
    }

    /// Stores a final segment, in which the mean of each column is its index and a half.
    async fn put(store: &Arc<dyn ObjectStore>, total: &Total, segment: u64) {
        let start = segment * 1024;
        let columns = 1024.min(total.columns - start);
        let mut sum = PartialSum::new(usize::try_from(columns).expect("few"), &[]);
        for more in [0.0, 1.0] {
            let numbers: Block = (start..start + columns).map(|it| it as f64 + more).collect();
            sum.add(0, &numbers);
            sum.count_objects(1);
        }
        let key = segment_key(&total.root, segment);
        store.put(&key, sum.encode(&Trailer::default()).into()).await.expect("stored");
    }

    #[tokio::test]
    async fn only_the_columns_of_stored_segments_have_points() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let total = total(2_500);
        let mut known = Known::default();
        assert_eq!(known.look(&store, &total).await.unwrap(), None);
        put(&store, &total, 2).await;
        put(&store, &total, 0).await;
        let partly = known.look(&store, &total).await.unwrap().unwrap();
        assert_eq!((partly.stored, partly.segments), (2, 3));
        let Envelope { points, columns, .. } = partly.envelope;
        assert_eq!((points.len(), columns), (512, 2_500));
        for (index, point) in (0_u64..).zip(&points) {
            let of_point = |column: &u64| point_of(*column, 2_500) == index;
            let means = (0..2_500).filter(of_point).filter(|it| !(1024..2048).contains(it));
            let means: Vec<f64> = means.map(|column| column as f64 + 0.5).collect();
            let expected =
                means.first().map(|min| PlotPoint { min: *min, max: means[means.len() - 1] });
            assert_eq!(*point, expected, "point {index}");
        }
        // What is known need not be read again, also once it is deleted.
        store.delete_prefix("sums/").await.unwrap();
        put(&store, &total, 1).await;
        let partly = known.look(&store, &total).await.unwrap().unwrap();
        assert!(partly.envelope.points.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn of_many_segments_a_few_are_read_each_time_and_stand_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let total = total(200 * 1024);
        for segment in 0..100 {
            put(&store, &total, segment).await;
        }
        let mut known = Known::default();
        let mut drawn = Vec::new();
        for _ in 0..10 {
            let partly = known.look(&store, &total).await.unwrap().unwrap();
            assert_eq!((partly.stored, partly.segments), (100, 200));
            drawn.push(partly.envelope.points.iter().flatten().count());
        }
        assert!(drawn[0] < drawn[1] && drawn[0] <= 4 * 12, "{drawn:?}");
        // 25 groups of four segments are stored: half of the 512 points.
        assert_eq!(drawn[9], 256, "{drawn:?}");
    }

    #[tokio::test]
    async fn a_mean_of_two_dimensions_is_drawn_row_by_row() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
        // Each segment is 16 rows of 64.
        let total = Total { shape: Some(vec![48, 64]), ..total(48 * 64) };
        let mut known = Known::default();
        put(&store, &total, 1).await;
        let (image, range) = known.look(&store, &total).await.unwrap().unwrap().image.unwrap();
        assert_eq!((image.width, image.height), (64, 48));
        assert_eq!(range, (1024.5, 2047.5));
        let drawn: Vec<bool> = image.pixels.chunks(64).map(|row| !row.contains(&0)).collect();
        let expected: Vec<bool> = (0..48).map(|row| (16..32).contains(&row)).collect();
        assert_eq!(drawn, expected);
        assert_eq!((image.pixels[16 * 64], image.pixels[32 * 64 - 1]), (1, 255));
        put(&store, &total, 0).await;
        put(&store, &total, 2).await;
        let (image, range) = known.look(&store, &total).await.unwrap().unwrap().image.unwrap();
        assert_eq!(range, (0.5, 3071.5));
        assert!(!image.pixels.contains(&0));
    }

    #[tokio::test]
    async fn a_damaged_segment_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let total = total(1024);
        store.put(&segment_key(&total.root, 0), "nonsense".into()).await.unwrap();
        let partly = Known::default().look(&store, &total).await.unwrap().unwrap();
        assert!(partly.envelope.points.iter().all(Option::is_none));
    }
}
