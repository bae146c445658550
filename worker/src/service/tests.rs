//! A worker that is told to rest.

use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::{ObjectStore, ServerEnd};
use protocol::task::{Assignment, Columns, Direction, Work};
use protocol::{JobId, TaskId, Timestamp};

use super::*;

fn assignment() -> Assignment {
    let job = JobId::from_parts(Timestamp::default(), 1);
    Assignment {
        version: protocol::VERSION,
        attempt: AttemptId { job, task: TaskId { level: 1, node: 0, range: 0 }, number: 1 },
        speculative: false,
        direction: Direction::Forward,
        resume: false,
        not_on: None,
        not_on_node: None,
        work: Work::Merge { partial_sums: vec!["none/".to_owned()] },
        columns: Columns {
            segment_columns: 8,
            first_segment: 0,
            end_segment: None,
            total: Some(8),
        },
        statistics: Vec::new(),
        missing: None,
        output: "sum/".to_owned(),
        heartbeat_ms: 10_000,
        pace_ms: None,
    }
}

/// Waits for the first report of a kind.
async fn reported(queue: &EmbeddedQueue, is_it: impl Fn(&ReportBody) -> bool) {
    loop {
        let delivery = queue.next_report().await.unwrap();
        let body = delivery.report.body.clone();
        delivery.ack().await.unwrap();
        if is_it(&body) {
            return;
        }
    }
}

#[tokio::test]
async fn a_worker_that_rests_accepts_no_attempt_until_its_rest_is_over() {
    const REST: Duration = Duration::from_millis(700);
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
    let queue = EmbeddedQueue::new();
    let worker = Worker {
        id: "worker".into(),
        node: None,
        queue: Box::new(queue.worker_end()),
        inputs: InputStores::new(store.clone()),
        store,
        settings: Settings::default(),
        metrics: WorkerMetrics::default(),
    };
    let leave = CancellationToken::new();
    let working = tokio::spawn(run(worker, leave.clone()));
    let is_joined = |body: &ReportBody| matches!(body, ReportBody::Joined(_));
    let is_started = |body: &ReportBody| matches!(body, ReportBody::Started { .. });
    reported(&queue, is_joined).await;
    let rest_ms = u64::try_from(REST.as_millis()).unwrap();
    let begun = Instant::now();
    for (name, rest_ms) in [("another", 60_000), ("worker", rest_ms)] {
        queue.control(&Control::Rest { worker: name.into(), rest_ms }).await.unwrap();
    }
    // Its answer to this shows that it has been told.
    queue.control(&Control::RollCall).await.unwrap();
    reported(&queue, is_joined).await;
    queue.publish(&assignment()).await.unwrap();
    reported(&queue, is_started).await;
    let took = begun.elapsed();
    assert!(took >= REST, "{took:?}");
    // A rest can be ended before its time.
    for rest_ms in [60_000, 0] {
        queue.control(&Control::Rest { worker: "worker".into(), rest_ms }).await.unwrap();
    }
    queue.control(&Control::RollCall).await.unwrap();
    reported(&queue, is_joined).await;
    queue.publish(&assignment()).await.unwrap();
    timeout(Duration::from_secs(30), reported(&queue, is_started)).await.unwrap();
    leave.cancel();
    working.await.unwrap().unwrap();
}
