//! The conformance suite of queues: the guarantees of the traits as tests.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use protocol::task::{Assignment, Columns, Control, Report, ReportBody, Work};
use protocol::{AttemptId, JobId, TaskId, Timestamp, WorkerId};
use tokio::time::timeout;

use super::{Queue, ServerEnd, WorkerEnd};

/// How long to wait for a message that must arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the whole suite on an empty queue. Every part leaves it empty.
///
/// # Panics
///
/// If the queue breaks one of the guarantees of its traits.
pub async fn run(queue: &dyn Queue) {
    assignments_reach_one_worker_each(queue).await;
    what_shares_a_message_stays_together_and_in_order(queue).await;
    a_worker_has_one_delivery_at_a_time(queue).await;
    a_lost_workers_delivery_is_delivered_again(queue).await;
    reports_reach_the_server(queue).await;
    control_reaches_every_worker(queue).await;
    control_of_one_worker_reaches_it(queue).await;
    purging_leaves_nothing_to_take(queue).await;
    a_dropped_wait_takes_nothing(queue).await;
    who_stopped_waiting_holds_nothing_back(queue).await;
    a_dropped_delivery_goes_back(queue).await;
    a_probe_passes_and_reaches_nobody(queue).await;
    a_renewed_queue_passes_messages_of_all_who_were_connected(queue).await;
}

async fn assignments_reach_one_worker_each(queue: &dyn Queue) {
    const COUNT: u32 = 100;
    let (server, workers) =
        (server_end(queue).await, [worker_end(queue).await, worker_end(queue).await]);
    for node in 0..COUNT {
        server.publish(&[assignment(node)]).await.expect("publish");
    }
    let mut seen = BTreeSet::new();
    for turn in 0..COUNT as usize {
        let delivery = soon(workers[turn % 2].next_delivery()).await.expect("delivery");
        assert!(!delivery.redelivered);
        assert!(seen.insert(delivery.assignments[0].attempt.task.node), "delivered twice");
        delivery.ack().await.expect("ack");
    }
    assert_eq!(seen.len(), COUNT as usize);
    assert_eq!(server.depths().await.expect("depths").assignments, 0);
}

async fn what_shares_a_message_stays_together_and_in_order(queue: &dyn Queue) {
    let (server, lost, other) =
        (server_end(queue).await, worker_end(queue).await, worker_end(queue).await);
    let assignments = [assignment(3), assignment(1), assignment(2)];
    server.publish(&assignments).await.expect("publish");
    let taken = soon(lost.next_delivery()).await.expect("delivery");
    assert_eq!((taken.redelivered, taken.assignments.as_slice()), (false, assignments.as_slice()));
    drop(taken);
    drop(lost);
    let again = soon(other.next_delivery()).await.expect("delivery");
    assert_eq!((again.redelivered, again.assignments.as_slice()), (true, assignments.as_slice()));
    let reports = [report(2), report(1), report(3)];
    other.report(&reports).await.expect("report");
    again.ack().await.expect("ack");
    let delivery = soon(server.next_reports()).await.expect("reports");
    assert_eq!(delivery.reports, reports);
    delivery.ack().await.expect("ack");
    let depths = server.depths().await.expect("depths");
    assert_eq!(depths.assignments, 0);
}

async fn a_worker_has_one_delivery_at_a_time(queue: &dyn Queue) {
    let (server, slow, quick) =
        (server_end(queue).await, worker_end(queue).await, worker_end(queue).await);
    server.publish(&[assignment(1)]).await.expect("publish");
    let held = soon(slow.next_delivery()).await.expect("delivery");
    server.publish(&[assignment(2)]).await.expect("publish");
    assert!(slow.next_delivery().now_or_never().is_none(), "a second one beside the first");
    let other = soon(quick.next_delivery()).await.expect("delivery");
    assert_eq!(other.assignments[0].attempt.task.node, 2);
    other.ack().await.expect("ack");
    held.ack().await.expect("ack");
}

async fn a_lost_workers_delivery_is_delivered_again(queue: &dyn Queue) {
    let (server, lost, other) =
        (server_end(queue).await, worker_end(queue).await, worker_end(queue).await);
    server.publish(&[assignment(1)]).await.expect("publish");
    let taken = soon(lost.next_delivery()).await.expect("delivery");
    drop(taken);
    drop(lost);
    let again = soon(other.next_delivery()).await.expect("delivery");
    assert!(again.redelivered);
    again.ack().await.expect("ack");
}

async fn reports_reach_the_server(queue: &dyn Queue) {
    const COUNT: u64 = 50;
    let (server, worker) = (server_end(queue).await, worker_end(queue).await);
    for resident_bytes in 0..COUNT {
        worker.report(&[report(resident_bytes)]).await.expect("report");
    }
    // A worker's reports outlive it.
    drop(worker);
    for resident_bytes in 0..COUNT {
        let delivery = soon(server.next_reports()).await.expect("report");
        assert_eq!(delivery.reports, [report(resident_bytes)]);
        delivery.ack().await.expect("ack");
    }
}

async fn control_reaches_every_worker(queue: &dyn Queue) {
    let (server, workers) =
        (server_end(queue).await, [worker_end(queue).await, worker_end(queue).await]);
    let words = [Control::RollCall, Control::StopJob { job: job() }];
    for word in &words {
        server.control(word).await.expect("control");
    }
    for worker in &workers {
        for word in &words {
            assert_eq!(soon(worker.next_control()).await.expect("control"), *word);
        }
    }
}

async fn control_of_one_worker_reaches_it(queue: &dyn Queue) {
    let (server, one, other) =
        (server_end(queue).await, worker_end(queue).await, worker_end(queue).await);
    let word = Control::StopJob { job: job() };
    let address = one.address();
    // One that is not there any more costs nothing but the way to all.
    for address in ["amq.gen-gone", "assignments"].into_iter().chain(address.as_deref()) {
        server.control_one(&word, address).await.expect("control");
        assert_eq!(soon(one.next_control()).await.expect("control"), word);
    }
    server.control(&Control::RollCall).await.expect("control");
    let mut heard = 0;
    while soon(other.next_control()).await.expect("control") != Control::RollCall {
        heard += 1;
    }
    // The others hear what had no address, and nothing else.
    assert_eq!(heard, 2);
    assert_eq!(server.depths().await.expect("depths").assignments, 0);
}

async fn purging_leaves_nothing_to_take(queue: &dyn Queue) {
    let (server, worker) = (server_end(queue).await, worker_end(queue).await);
    for node in 0..10 {
        server.publish(&[assignment(node)]).await.expect("publish");
    }
    let taken = soon(worker.next_delivery()).await.expect("delivery");
    server.purge().await.expect("purge");
    taken.ack().await.expect("ack");
    server.publish(&[assignment(77)]).await.expect("publish");
    let next = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(next.assignments[0].attempt.task.node, 77);
    next.ack().await.expect("ack");
}

async fn a_dropped_wait_takes_nothing(queue: &dyn Queue) {
    let (server, worker) = (server_end(queue).await, worker_end(queue).await);
    assert!(worker.next_delivery().now_or_never().is_none());
    assert!(server.next_reports().now_or_never().is_none());
    server.publish(&[assignment(1)]).await.expect("publish");
    worker.report(&[report(1)]).await.expect("report");
    soon(worker.next_delivery()).await.expect("delivery").ack().await.expect("ack");
    soon(server.next_reports()).await.expect("report").ack().await.expect("ack");
}

async fn who_stopped_waiting_holds_nothing_back(queue: &dyn Queue) {
    let (server, gone, other) =
        (server_end(queue).await, worker_end(queue).await, worker_end(queue).await);
    // Long enough for the queue to know that this end waits.
    assert!(timeout(Duration::from_millis(500), gone.next_delivery()).await.is_err());
    for node in 0..2 {
        server.publish(&[assignment(node)]).await.expect("publish");
    }
    for _ in 0..2 {
        soon(other.next_delivery()).await.expect("delivery").ack().await.expect("ack");
    }
}

async fn a_dropped_delivery_goes_back(queue: &dyn Queue) {
    let (server, worker) = (server_end(queue).await, worker_end(queue).await);
    server.publish(&[assignment(1)]).await.expect("publish");
    let first = soon(worker.next_delivery()).await.expect("delivery");
    let sent = first.assignments.clone();
    drop(first);
    let again = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(again.assignments, sent);
    assert!(again.redelivered);
    again.ack().await.expect("ack");
    worker.report(&[report(1)]).await.expect("report");
    drop(soon(server.next_reports()).await.expect("report"));
    soon(server.next_reports()).await.expect("report").ack().await.expect("ack");
}

async fn a_probe_passes_and_reaches_nobody(queue: &dyn Queue) {
    let (server, worker) = (server_end(queue).await, worker_end(queue).await);
    // What a server end of before has taken may be delivered once more.
    let taking = async {
        loop {
            let delivery = server.next_reports().await.expect("report");
            let is_awaited = delivery.reports == [report(7)];
            delivery.ack().await.expect("ack");
            if is_awaited {
                return;
            }
        }
    };
    let probing = async {
        for _ in 0..3 {
            let waiting = worker.next_delivery();
            tokio::select! {
                probed = server.probe() => assert_eq!(probed.expect("a probe").losses, 0),
                _ = waiting => panic!("a worker was given a probe"),
            }
        }
        worker.report(&[report(7)]).await.expect("report");
    };
    soon(async { futures::join!(taking, probing) }).await;
    // An assignment that waits is still there afterwards.
    server.publish(&[assignment(1)]).await.expect("publish");
    server.probe().await.expect("a probe");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(1)]);
    delivery.ack().await.expect("ack");
}

async fn a_renewed_queue_passes_messages_of_all_who_were_connected(queue: &dyn Queue) {
    let (server, workers) =
        (server_end(queue).await, [worker_end(queue).await, worker_end(queue).await]);
    for worker in &workers {
        worker.report(&[report(1)]).await.expect("report");
        soon(server.next_reports()).await.expect("report").ack().await.expect("ack");
    }
    server.renew().await.expect("a renewed queue");
    server.probe().await.expect("a probe");
    server.publish(&[assignment(5)]).await.expect("publish");
    for worker in &workers {
        worker.report(&[report(2)]).await.expect("report");
        let delivery = soon(server.next_reports()).await.expect("report");
        assert_eq!(delivery.reports, [report(2)]);
        delivery.ack().await.expect("ack");
        let delivery = soon(worker.next_delivery()).await.expect("delivery");
        assert_eq!(delivery.assignments, [assignment(5)]);
        delivery.ack().await.expect("ack");
        server.publish(&[assignment(5)]).await.expect("publish");
    }
    // The queue is left empty.
    soon(workers[0].next_delivery()).await.expect("delivery").ack().await.expect("ack");
    assert_eq!(server.depths().await.expect("depths").assignments, 0);
}

async fn server_end(queue: &dyn Queue) -> Arc<dyn ServerEnd> {
    queue.connect_server().await.expect("the server's end")
}

async fn worker_end(queue: &dyn Queue) -> Box<dyn WorkerEnd> {
    queue.connect_worker("worker").await.expect("a worker's end")
}

#[track_caller]
fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let in_time = timeout(PATIENCE, future).await;
        in_time.unwrap_or_else(|_| panic!("nothing arrived within {PATIENCE:?}: {place}"))
    }
}

fn job() -> JobId {
    JobId::from_parts(Timestamp::from_millis(1), 1)
}

/// An assignment that is identified by its node.
#[must_use]
pub fn assignment(node: u32) -> Assignment {
    Assignment {
        version: protocol::VERSION,
        attempt: AttemptId { job: job(), task: TaskId { level: 1, node, range: 0 }, number: 1 },
        speculative: false,
        direction: protocol::task::Direction::Forward,
        resume: false,
        not_on: None,
        not_on_node: None,
        work: Work::Merge { partial_sums: vec!["a/".to_owned(), "b/".to_owned()] },
        columns: Columns {
            segment_columns: 1024,
            first_segment: 0,
            end_segment: None,
            total: Some(10),
        },
        statistics: Vec::new(),
        missing: None,
        weighted: false,
        output: format!("c/{node}/"),
        heartbeat_ms: 1000,
        pace_ms: None,
        traceparent: None,
    }
}

/// A report that is identified by its number of bytes.
#[must_use]
pub fn report(resident_bytes: u64) -> Report {
    Report {
        version: protocol::VERSION,
        worker: WorkerId::from("worker-1"),
        at: Timestamp::from_millis(5),
        body: ReportBody::Alive { resident_bytes },
    }
}
