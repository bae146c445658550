//! Commands that the driver cannot perform are errors in the log; heartbeats of many
//! workers; restored jobs are shown.

use std::io::{self, Write};
use std::sync::Mutex;

use protocol::job::InputSummary;
use protocol::plan::Estimate;
use protocol::task::Joined;
use protocol::{Inputs, JobRequest, Phase, Plan, PlanLevel, Timestamp, WorkerId};
use scheduler::Settings;

use super::*;
use crate::parts;
use crate::records::{Checkpoint, PlanRecord, RequestSummary};

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A driver without jobs.
async fn driver(folder: &std::path::Path) -> Driver {
    let parts = Arc::new(parts::for_files(folder).await.unwrap());
    let (messages, _incoming) = mpsc::channel(MESSAGES_CAPACITY);
    let scheduler = Scheduler::new(Settings::default());
    Driver::new(scheduler, parts, Board::new(0, 1), messages)
}

/// What it logs when it is told to perform `command`.
async fn logged(command: Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = driver(folder.path()).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || driver.perform(command));
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_command_for_a_job_that_is_not_known_is_an_error_in_the_log() {
    let job = JobId::from_parts(Timestamp::default(), 7);
    for command in [
        Command::EndJob { job, phase: Phase::Failed, problem: None },
        Command::WriteResult { job, columns: 1 },
        Command::PlanJob { job },
    ] {
        let told = format!("{command:?}");
        let log = logged(command).await;
        assert!(log.contains("ERROR") && log.contains(&job.to_string()), "{told}: {log}");
    }
}

#[tokio::test]
async fn many_workers_send_fewer_heartbeats_each_but_several_in_a_lease() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = driver(folder.path()).await;
    let mut joined = 0;
    for (workers, expected_ms) in [(2, 500), (250, 500), (1_000, 2_000), (4_000, 5_000)] {
        while joined < workers {
            let worker = WorkerId::from(format!("{joined}"));
            driver.event(Event::WorkerJoined { worker, joined: Joined::default() });
            joined += 1;
        }
        assert_eq!(driver.heartbeat_ms(), expected_ms, "{workers} workers");
    }
    assert!(3 * driver.heartbeat_ms() <= Settings::DEFAULT.lease_ms);
}

#[tokio::test]
async fn a_restored_job_is_on_the_board_before_anything_else_is_handled() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = driver(folder.path()).await;
    let job = JobId::from_parts(Timestamp::default(), 7);
    let level = |nodes| PlanLevel { nodes, ranges: 1, range_segments: 1, fan_in: 2 };
    let plan = Plan {
        objects: 4,
        columns: Some(8),
        fan_in: 2,
        segment_columns: 8,
        partial_column_bytes: 16,
        levels: vec![level(2), level(1)],
        estimate: Estimate::default(),
    };
    let request = RequestSummary {
        request: JobRequest::new(Inputs::Prefix("file:///inputs/".to_owned())),
        workers: 2,
        submitted_at: Timestamp::default(),
        submitted_by: None,
        span: None,
        caller_span: None,
    };
    driver.handle(DriverMessage::Restored {
        job,
        request: Box::new(request),
        plan: Box::new(PlanRecord::new(plan, InputSummary::default(), Vec::new())),
        columns: Some(8),
        completed: Vec::new(),
        checkpoint: Box::new(Checkpoint::default()),
    });
    assert_eq!(driver.board.job(job).map(|job| job.phase), Some(Phase::Running));
}
