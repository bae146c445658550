//! One worker, one leaf task, and the objects that it sums.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::store::read_all;
use platform::{InputStores, ObjectStore, ServerEnd};
use protocol::request::{Generate, GeneratedFormat, Statistic};
use protocol::task::{
    Assignment, Columns, Direction, Failure, InputObject, ObjectPart, Outcome, ReportBody, Work,
    segment_key,
};
use protocol::{AttemptId, JobId, TaskId, Timestamp, WorkerId};
use summation::PartialSum;
use summation::generate::Generator;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use traces::Traces;
use worker::metrics::WorkerMetrics;
use worker::{Settings, Worker};

use super::counted::{CountedStore, INPUTS};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const OUTPUT: &str = "sums/0/0/";

/// Objects in a folder, and how they are summed.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) objects: Vec<InputObject>,
    pub(crate) columns: u64,
    pub(crate) segment_columns: u64,
    /// The first segment that is another task's; `None` if the task has all columns.
    pub(crate) end_segment: Option<u64>,
    pub(crate) has_files: bool,
    /// Whether columns are counted along the first index of arrays.
    pub(crate) fortran_order: bool,
    pub(crate) statistics: Vec<Statistic>,
    pub(crate) direction: Direction,
    /// Whether the attempt goes on with the segments that are there.
    pub(crate) resume: bool,
    /// What is done instead of summing the objects.
    pub(crate) work: Option<Work>,
    pub(crate) settings: Settings,
}

/// What came of a task.
pub(crate) struct Ended {
    pub(crate) store: Arc<CountedStore>,
    pub(crate) body: ReportBody,
}

impl Scene {
    /// No objects yet.
    pub(crate) fn empty(columns: u64) -> Scene {
        Scene {
            folder: tempfile::tempdir().expect("a temporary folder"),
            objects: Vec::new(),
            columns,
            segment_columns: 16_384,
            end_segment: None,
            has_files: true,
            fortran_order: false,
            statistics: Vec::new(),
            direction: Direction::Forward,
            resume: false,
            work: None,
            settings: Settings { range_bytes: 64 << 10, ..Settings::default() },
        }
    }

    /// So many generated objects.
    pub(crate) fn generate(objects: u64, columns: u64, format: GeneratedFormat) -> Scene {
        let mut scene = Scene::empty(columns);
        let generate = Generate { files: objects, count: columns, format, seed: 7 };
        for file in 0..objects {
            let mut generator = Generator::new(&generate, file);
            let mut bytes = Vec::new();
            while generator.fill(1 << 20, &mut bytes) {}
            scene.add(&format!("{file:02}"), &bytes);
        }
        scene
    }

    /// One more object.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        let location = format!("{INPUTS}{name}");
        let path = self.folder.path().join(&location);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
        self.objects.push(InputObject {
            location,
            bytes: bytes.len() as u64,
            version: None,
            weight: None,
            parts: Box::default(),
        });
    }

    /// Joins the last objects to one input.
    pub(crate) fn join(&mut self, count: usize) {
        let parts = self.objects.split_off(self.objects.len() - count);
        let part = |object: &InputObject| ObjectPart {
            location: object.location.clone(),
            bytes: object.bytes,
            version: object.version.clone(),
        };
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let all = parts.iter().map(part).collect();
        let first = parts.into_iter().next().expect("at least one");
        self.objects.push(InputObject { bytes, parts: all, ..first });
    }

    /// How many bytes the objects have together.
    pub(crate) fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    /// The bytes of the objects.
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        let path = |object: &InputObject| self.folder.path().join(&object.location);
        self.objects.iter().map(|object| fs::read(path(object)).expect("it is there")).collect()
    }

    /// The file of a segment below a prefix.
    pub(crate) fn segment(&self, prefix: &str, segment: u64) -> PathBuf {
        self.folder.path().join(segment_key(prefix, segment))
    }

    /// Has a worker sum all objects.
    pub(crate) async fn sum(&self) -> Ended {
        let local = LocalStore::open(self.folder.path()).expect("a store");
        if !self.resume {
            local.delete_prefix(OUTPUT).await.expect("an embedded part works");
        }
        let store = Arc::new(CountedStore::new(local, self.has_files));
        let queue = EmbeddedQueue::new();
        queue.publish(&[self.assignment()]).await.expect("an embedded part works");
        let worker = Worker {
            id: WorkerId::from("worker".to_owned()),
            node: None,
            queue: Box::new(queue.worker_end()),
            store: store.clone(),
            inputs: InputStores::new(store.clone()),
            settings: self.settings.clone(),
            metrics: WorkerMetrics::default(),
            traces: Traces::default(),
        };
        let leave = CancellationToken::new();
        let working = tokio::spawn(worker::run(worker, leave.clone()));
        let body = timeout(PATIENCE, end(&queue)).await.expect("the task ends");
        leave.cancel();
        working.await.expect("no panic").expect("no error");
        Ended { store, body }
    }

    fn assignment(&self) -> Assignment {
        let job = JobId::from_parts(Timestamp::default(), 1);
        Assignment {
            version: protocol::VERSION,
            attempt: AttemptId { job, task: TaskId { level: 0, node: 0, range: 0 }, number: 1 },
            speculative: false,
            direction: self.direction,
            resume: self.resume,
            not_on: None,
            not_on_node: None,
            work: self.work.clone().unwrap_or_else(|| Work::Sum {
                objects: self.objects.clone(),
                raw: None,
                header: None,
                select: Vec::new(),
                key: None,
                keys: None,
                reference: None,
                fortran_order: self.fortran_order,
            }),
            columns: Columns {
                segment_columns: self.segment_columns,
                first_segment: 0,
                end_segment: self.end_segment,
                total: self.work.is_some().then_some(self.columns),
            },
            statistics: self.statistics.clone(),
            missing: None,
            weighted: false,
            output: OUTPUT.to_owned(),
            heartbeat_ms: 10_000,
            pace_ms: None,
            traceparent: None,
        }
    }
}

/// Waits for the report of how the attempt ended.
async fn end(queue: &EmbeddedQueue) -> ReportBody {
    loop {
        let delivery = queue.next_reports().await.expect("an embedded part works");
        let reports = delivery.reports.clone();
        delivery.ack().await.expect("an embedded part works");
        let ended = reports.into_iter().map(|report| report.body).find(|body| {
            matches!(
                body,
                ReportBody::Completed { .. }
                    | ReportBody::Failed { .. }
                    | ReportBody::Stopped { .. }
            )
        });
        if let Some(ended) = ended {
            return ended;
        }
    }
}

impl Ended {
    pub(crate) fn outcome(&self) -> &Outcome {
        match &self.body {
            ReportBody::Completed { outcome, .. } => outcome,
            other => panic!("not completed but {other:?}"),
        }
    }

    pub(crate) fn failure(&self) -> &Failure {
        match &self.body {
            ReportBody::Failed { failure, .. } => failure,
            other => panic!("not failed but {other:?}"),
        }
    }

    /// The mean of the objects, from the segments in the store.
    pub(crate) async fn mean(&self, scene: &Scene) -> Vec<f64> {
        self.sums(scene).await.iter().flat_map(PartialSum::mean).collect()
    }

    /// The segments in the store.
    pub(crate) async fn sums(&self, scene: &Scene) -> Vec<PartialSum> {
        let mut sums = Vec::new();
        for segment in 0..scene.columns.div_ceil(scene.segment_columns) {
            let bytes = read_all(&*self.store, &segment_key(OUTPUT, segment))
                .await
                .expect("an embedded part works");
            sums.push(PartialSum::decode(&bytes).expect("a partial sum").0);
        }
        sums
    }
}
