//! Commands that the driver cannot perform are errors in the log.

use std::io::{self, Write};
use std::sync::Mutex;

use protocol::{Phase, Timestamp};
use scheduler::Settings;

use super::*;
use crate::parts;

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

/// What a driver without jobs logs when it is told to perform `command`.
async fn logged(command: Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(parts::for_files(folder.path()).await.unwrap());
    let (messages, _incoming) = mpsc::channel(MESSAGES_CAPACITY);
    let scheduler = Scheduler::new(Settings::default());
    let mut driver = Driver::new(scheduler, parts, Board::new(0, 1), messages);
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
