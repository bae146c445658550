//! The components of islands, each in every state, with data that does not change. Only
//! programs that were compiled for debugging show it.

pub mod examples;

use leptos::prelude::*;
use leptos_meta::Title;
use protocol::Phase;
use protocol::states::DrawnState;
use protocol::worker::WorkerState;

use self::examples::{AT, job, pool, problem, states, worker};
use super::not_found::NotFoundPage;
use crate::clock::Clock;
use crate::components::attempt_figures::AttemptFigures;
use crate::components::byte_figures::ByteFigures;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::icon::{AGAIN, DOWNLOAD, Drawn, LINK, THEME, TRASH, WARNING};
use crate::components::job_row::JobRows;
use crate::components::phase_badge::PhaseBadge;
use crate::components::phase_steps::PhaseSteps;
use crate::components::plan_figures::{PlanFigures, Planned};
use crate::components::problem_card::ProblemCard;
use crate::components::progress_card::ProgressCard;
use crate::components::whole_bar::WholeBar;
use crate::components::worker_panel::WorkerPanel;
use crate::keyed::Keyed;
use crate::live::{Connection, Contact};

/// All phases of a job.
const PHASES: [Phase; 7] = [
    Phase::Listing,
    Phase::Planning,
    Phase::Running,
    Phase::Finishing,
    Phase::Done,
    Phase::Failed,
    Phase::Cancelled,
];
/// All states of a worker.
const WORKERS: [WorkerState; 6] = [
    WorkerState::Starting,
    WorkerState::Idle,
    WorkerState::Busy,
    WorkerState::Draining,
    WorkerState::Aside,
    WorkerState::Lost,
];

/// Every component in every state.
#[component]
pub fn ComponentsPage() -> impl IntoView {
    if !cfg!(debug_assertions) {
        return view! { <NotFoundPage /> }.into_any();
    }
    Clock::provide(AT);
    let jobs = PHASES.map(|phase| RwSignal::new(job(phase)));
    let badges = jobs.map(|job| view! { <PhaseBadge job /> " " }).collect_view();
    let steps = jobs.map(|job| view! { <PhaseSteps job /> }).collect_view();
    let bars = jobs.map(|job| view! { <WholeBar job /> }).collect_view();
    let rows = Keyed::new(PHASES.map(job).to_vec(), |job| job.id);
    let connections =
        [Connection::Waiting, Connection::Live, Connection::Reconnecting, Connection::Over]
            .map(|connection| {
                let contact = Contact {
                    connection: RwSignal::new(connection),
                    away_since: RwSignal::new(None),
                };
                view! { <ConnectionBadge contact /> " " }
            })
            .collect_view();
    let icons = [AGAIN, DOWNLOAD, LINK, THEME, TRASH, WARNING]
        .map(|icon| view! { <Drawn icon /> " " })
        .collect_view();
    let running = RwSignal::new(job(Phase::Running));
    let trees =
        [DrawnState::Waiting, DrawnState::Running, DrawnState::Speculative, DrawnState::Complete]
            .map(|state| {
                let states = RwSignal::new(Some(states(state)));
                view! { <ProgressCard job=running states /> }
            })
            .collect_view();
    let unknown = RwSignal::new(None);
    let done = RwSignal::new(job(Phase::Done));
    let planned = Signal::stored(Planned::of_job(&job(Phase::Running)));
    let workers: Vec<_> = WORKERS.into_iter().map(worker).collect();
    let pool = RwSignal::new(pool(workers.clone()));
    let workers = Keyed::new(workers, |worker| worker.id.clone());
    view! {
        <Title text="Components" />
        <h1>"Components"</h1>
        <section class="card" data-component="phases">{badges} {steps} {bars}</section>
        <section class="card history" data-component="rows">
            <JobRows jobs=rows />
        </section>
        <section class="card" data-component="signs">
            {connections} {icons} <ProblemCard problem=Some(problem()) />
        </section>
        <section data-component="trees">
            {trees} <ProgressCard job=running states=unknown /> <ProgressCard job=done states=unknown />
        </section>
        <section class="job-figures" data-component="figures">
            <PlanFigures planned />
            <ByteFigures job=running />
            <AttemptFigures job=running />
        </section>
        <section data-component="workers">
            <WorkerPanel pool workers>
                ""
            </WorkerPanel>
        </section>
    }
    .into_any()
}
