//! The events and commands of a job, from submission to result.

use protocol::task::{Joined, Outcome, Progress};
use protocol::{FanIn, JobId, Phase, Timestamp, WorkerId};
use scheduler::plan::{Costs, PlanInputs, PlanLimits, plan};
use scheduler::{Command, Event, JobTerms, Scheduler, Settings};

#[test]
fn forty_objects_with_fan_in_five_on_two_workers() {
    let job = JobId::from_parts(Timestamp::from_millis(1), 1);
    let inputs = PlanInputs {
        objects: 40,
        bytes: 40 * 200_000,
        columns_estimate: 10_500,
        ..PlanInputs::default()
    };
    let plan = plan(&inputs, FanIn::Fixed(5), 2, &PlanLimits::default(), &Costs::default());
    let mut scheduler = Scheduler::new(Settings::default());
    let mut now = 1_000;
    let mut handle = |scheduler: &mut Scheduler, event| {
        now += 1;
        scheduler.handle(Timestamp::from_millis(now), event)
    };
    let submitted =
        Event::JobSubmitted { job, terms: JobTerms { workers: 2, ..JobTerms::default() } };
    assert_eq!(
        handle(&mut scheduler, submitted),
        [Command::PlanJob { job }, Command::ScaleWorkers { desired: 0 }]
    );
    assert_eq!(
        handle(&mut scheduler, Event::JobPlanned { job, plan }),
        [Command::ScaleWorkers { desired: 2 }]
    );
    let mut queue = Vec::new();
    for worker in ["a", "b"] {
        let joined =
            Event::WorkerJoined { worker: WorkerId::from(worker), joined: Joined::default() };
        queue.extend(handle(&mut scheduler, joined));
    }
    let mut completed = 0;
    let mut result = None;
    while let Some(command) = queue.pop() {
        let attempt = match command {
            Command::PublishAttempt { attempt, .. } => attempt,
            Command::WriteResult { columns, .. } => {
                result = Some(columns);
                break;
            }
            other => panic!("{other:?}"),
        };
        let worker = WorkerId::from("a");
        queue.extend(handle(
            &mut scheduler,
            Event::AttemptStarted { attempt, worker: worker.clone() },
        ));
        completed += 1;
        let outcome = Outcome {
            columns: 10_000,
            columns_of: Some("x".to_owned()),
            progress: Progress { fraction: 1.0, ..Progress::default() },
            ..Outcome::default()
        };
        queue.extend(handle(&mut scheduler, Event::AttemptCompleted { attempt, worker, outcome }));
    }
    assert_eq!(completed, 8 + 2 + 1);
    assert_eq!(result, Some(10_000));
    let end = handle(&mut scheduler, Event::ResultWritten { job });
    assert_eq!(end, [Command::EndJob { job, phase: Phase::Done, problem: None }]);
    assert_eq!(scheduler.job(job).unwrap().phase, Phase::Done);
}
