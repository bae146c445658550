//! A worker that is told to rest, and one that goes through a message.

use futures::FutureExt;
use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::{ObjectStore, ServerEnd};
use protocol::task::{Assignment, Columns, Direction, Outcome, Work};
use protocol::{JobId, TaskId, Timestamp};

use super::*;

fn attempt(node: u32) -> AttemptId {
    let job = JobId::from_parts(Timestamp::default(), 1);
    AttemptId { job, task: TaskId { level: 1, node, range: 0 }, number: 1 }
}

fn assignment() -> Assignment {
    assignment_of(0)
}

fn assignment_of(node: u32) -> Assignment {
    Assignment {
        version: protocol::VERSION,
        attempt: attempt(node),
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
        weighted: false,
        output: "sum/".to_owned(),
        heartbeat_ms: 10_000,
        pace_ms: None,
        traceparent: None,
    }
}

/// Waits for the first report of a kind.
async fn reported(queue: &EmbeddedQueue, is_it: impl Fn(&ReportBody) -> bool) {
    loop {
        let delivery = queue.next_reports().await.unwrap();
        let bodies: Vec<_> = delivery.reports.iter().map(|report| report.body.clone()).collect();
        delivery.ack().await.unwrap();
        if bodies.iter().any(&is_it) {
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
        traces: Traces::default(),
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
    queue.publish(&[assignment()]).await.unwrap();
    reported(&queue, is_started).await;
    let took = begun.elapsed();
    assert!(took >= REST, "{took:?}");
    // A rest can be ended before its time.
    for rest_ms in [60_000, 0] {
        queue.control(&Control::Rest { worker: "worker".into(), rest_ms }).await.unwrap();
    }
    queue.control(&Control::RollCall).await.unwrap();
    reported(&queue, is_joined).await;
    queue.publish(&[assignment()]).await.unwrap();
    timeout(Duration::from_secs(30), reported(&queue, is_started)).await.unwrap();
    leave.cancel();
    working.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_goes_through_a_message_and_hands_back_what_it_has_not_begun() {
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
        traces: Traces::default(),
    };
    // The second attempt lasts until the test says so.
    let (end, ended) = tokio::sync::watch::channel(false);
    let substitute: Substitute = Arc::new(move |assignment| {
        let (mut ended, is_second) = (ended.clone(), assignment.attempt == attempt(1));
        async move {
            if is_second {
                ended.wait_for(|ended| *ended).await.unwrap();
            }
            Outcome::default()
        }
        .boxed()
    });
    let working = tokio::spawn(run_with(worker, Some(substitute), CancellationToken::new()));
    queue.publish(&[assignment_of(0), assignment_of(1), assignment_of(2)]).await.unwrap();
    let mut bodies = Vec::new();
    let mut next = async || {
        let delivery = queue.next_reports().await.unwrap();
        let said: Vec<_> = delivery.reports.iter().map(|report| report.body.clone()).collect();
        delivery.ack().await.unwrap();
        bodies.extend(said.clone());
        said
    };
    let is_start = |body: &ReportBody| *body == ReportBody::Started { attempt: attempt(1) };
    let is_end = |body: &ReportBody| matches!(body, ReportBody::Completed { attempt: it, .. } if *it == attempt(0));
    let said = loop {
        let said = next().await;
        if said.iter().any(is_start) {
            break said;
        }
    };
    // Otherwise the worker would seem idle in between.
    assert!(said.iter().any(is_end), "{said:?}");
    queue.control(&Control::Drain { worker: "worker".into() }).await.unwrap();
    // Its answer to this shows that it has been told.
    queue.control(&Control::RollCall).await.unwrap();
    while !next().await.iter().any(|body| matches!(body, ReportBody::Joined(_))) {}
    end.send_replace(true);
    while !next().await.iter().any(|body| matches!(body, ReportBody::Left { .. })) {}
    working.await.unwrap().unwrap();
    let of = |node, is_it: &dyn Fn(&ReportBody) -> Option<AttemptId>| {
        bodies.iter().filter(|body| is_it(body) == Some(attempt(node))).count()
    };
    let started = |body: &ReportBody| match body {
        ReportBody::Started { attempt } => Some(*attempt),
        _ => None,
    };
    let completed = |body: &ReportBody| match body {
        ReportBody::Completed { attempt, outcome } => outcome.took_ms.map(|_| *attempt),
        _ => None,
    };
    let handed_back = |body: &ReportBody| match body {
        ReportBody::Stopped { attempt, reason: StopReason::WorkerLeaves, .. } => Some(*attempt),
        _ => None,
    };
    assert_eq!([of(0, &completed), of(1, &completed), of(2, &completed)], [1, 1, 0]);
    assert_eq!([of(0, &handed_back), of(1, &handed_back), of(2, &handed_back)], [0, 0, 1]);
    assert_eq!(of(2, &started), 0);
    assert_eq!(queue.depths().await.unwrap().assignments, 0);
}
