//! Divides the total by F and stores it as the result.

mod summary;

use std::sync::Arc;

use bytes::Bytes;
use platform::problems::internal;
use platform::store::{Upload, read_all};
use platform::{ObjectStore, StoreError};
use protocol::job::Statistic;
use protocol::result::ResultSummary;
use protocol::task::segment_key;
use protocol::{JobId, Plan, Problem};
use summation::PartialSum;
use summation::output::OutputFormat;
use tokio::task::spawn_blocking;

use self::summary::Summary;
use crate::keys;

/// What a result is made from.
#[derive(Clone, Debug)]
pub struct Total {
    /// Which job's.
    pub job: JobId,
    /// The sum tree, whose root holds the total.
    pub plan: Plan,
    /// C.
    pub columns: u64,
    /// The shape of the inputs, if they had one.
    pub shape: Option<Vec<u64>>,
    /// Whether the columns run along the first index of the shape.
    pub fortran_order: bool,
    /// What was computed beside the mean.
    pub statistics: Vec<Statistic>,
}

/// Writes the result, segment by segment; says what it looks like.
pub async fn write_result(
    store: &Arc<dyn ObjectStore>,
    total: Total,
) -> Result<ResultSummary, Problem> {
    let writing = |error: StoreError| error.problem("writing the result");
    let mut uploads = vec![store.upload(&keys::mean(total.job)).await.map_err(writing)?];
    for statistic in &total.statistics {
        let key = keys::statistic(total.job, *statistic);
        uploads.push(store.upload(&key).await.map_err(writing)?);
    }
    let shape = total.shape.clone().unwrap_or_else(|| vec![total.columns]);
    let header = Bytes::from(OutputFormat::Npy.head(&shape, total.fortran_order));
    for upload in &mut uploads {
        upload.write(header.clone()).await.map_err(writing)?;
    }
    let mut summary = Summary::new(&total);
    let prefix = keys::node(total.job, total.plan.root_level(), 0);
    for segment in 0..total.columns.div_ceil(total.plan.segment_columns) {
        let key = segment_key(&prefix, segment);
        let bytes =
            read_all(&**store, &key).await.map_err(|error| error.problem("reading the total"))?;
        let statistics = total.statistics.clone();
        let divided = spawn_blocking(move || divide(&bytes, &key, &statistics, summary));
        let pieces;
        (pieces, summary) =
            divided.await.map_err(|error| internal("dividing the total", &error))??;
        for (upload, piece) in uploads.iter_mut().zip(pieces) {
            upload.write(Bytes::from(piece)).await.map_err(writing)?;
        }
    }
    finish(uploads).await.map_err(writing)?;
    Ok(summary.finish())
}

/// The numbers of one segment as bytes: the mean, then each statistic.
fn divide(
    bytes: &[u8],
    key: &str,
    statistics: &[Statistic],
    mut summary: Summary,
) -> Result<(Vec<Vec<u8>>, Summary), Problem> {
    let (sum, _) =
        PartialSum::decode(bytes).map_err(|error| internal(&format!("reading {key}"), &error))?;
    let mean = sum.mean();
    summary.add(&mean);
    let others = statistics.iter().map(|statistic| sum.statistic(*statistic));
    let numbers = std::iter::once(mean).chain(others);
    let pieces = numbers.map(|numbers| {
        let mut piece = Vec::new();
        OutputFormat::Npy.put(0, &numbers, &mut piece);
        piece
    });
    Ok((pieces.collect(), summary))
}

/// The mean appears last, so that where it is the others are too.
async fn finish(uploads: Vec<Box<dyn Upload>>) -> Result<(), StoreError> {
    for upload in uploads.into_iter().rev() {
        upload.finish().await?;
    }
    Ok(())
}
