//! A live page of the history.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::live::LiveEvent;
use protocol::{JobId, JobSnapshot};
use serde::{Deserialize, Serialize};

use super::Given;
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_row::{JobList, JobRows};
use crate::format::{count, plural};
use crate::keyed::Keyed;
use crate::live::WhileHidden;
use crate::paths::EVENTS;
use crate::{fetch, json, live};

/// How many jobs have each status, and what has come since a page was rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryCounts {
    /// The links of the statuses, the first of which is all.
    pub statuses: Vec<StatusCount>,
    /// How many jobs that match the filter are newer than the page.
    pub newer: u64,
}

/// A status, and how many jobs match the text of the filter and have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusCount {
    /// The name of the status.
    pub word: String,
    /// How many jobs have it.
    pub jobs: u64,
    /// The address of the list of these jobs.
    pub href: String,
    /// Whether the page shows these jobs.
    pub is_shown: bool,
}

/// What a page of the history looks up again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryNews {
    /// The counts now.
    pub counts: HistoryCounts,
    /// The jobs that were asked for, without their results.
    pub jobs: Vec<JobSnapshot>,
    /// Those of them that do not exist any more.
    pub deleted: Vec<JobId>,
}

/// How long after a change the counts are looked up: many changes together.
const LOOK_UP_AFTER: Duration = Duration::from_millis(700);

/// The jobs of a page of the history, updated live, with the number of those that have
/// come since: they are not put in above what is being read.
#[island]
pub fn LiveHistory(
    /// The jobs when the page was rendered.
    jobs: Given<AsOf<Vec<JobSnapshot>>>,
    /// The counts then.
    counts: Given<HistoryCounts>,
    /// The address at which the counts are looked up, to which the ids of jobs are added.
    news: String,
    /// The address of the newest jobs that match the filter.
    newest: String,
    /// The form of the search.
    children: Children,
) -> impl IntoView {
    let Given(jobs) = jobs;
    Clock::provide(jobs.at);
    let jobs = Keyed::new(jobs.value, |job| job.id);
    let counts = RwSignal::new(counts.0);
    let news = News { path: StoredValue::new(news), counts, jobs, is_due: StoredValue::new(false) };
    let contact = live::subscribe(EVENTS.to_owned(), None, WhileHidden::Rests, move |event| {
        match event {
            LiveEvent::Snapshot(overview) => {
                let told: Vec<JobId> = overview.jobs.iter().map(|job| job.id).collect();
                overview.jobs.into_iter().for_each(|job| jobs.update_existing(job));
                // The others may have changed while nobody listened.
                let others = jobs.order().get_untracked();
                news.look_up(others.into_iter().filter(|id| !told.contains(id)).collect());
            }
            LiveEvent::Job(job) => {
                jobs.update_existing(*job);
                news.look_up_soon();
            }
            LiveEvent::JobDeleted(id) => {
                jobs.remove(&id);
                news.look_up_soon();
            }
            LiveEvent::Workers(_) | LiveEvent::Tasks(_) => {}
        }
        true
    });
    let newer = Memo::new(move |_| counts.with(|counts| counts.newer));
    let new_jobs = Signal::derive(move || match newer.get() {
        0 => String::new(),
        newer => format!("Show {}", plural(newer, "new job", "new jobs")),
    });
    view! {
        <header class="card-header">
            <h1 id="history-heading">"History"</h1>
            <ConnectionBadge contact />
        </header>
        <div class="job-filter">
            {children()}
            <Statuses counts />
        </div>
        <div class="new-jobs" aria-live="polite">
            <a class="button small" href=newest hidden=Signal::derive(move || newer.get() == 0)>
                {new_jobs}
            </a>
        </div>
        <JobRows jobs />
    }
}

/// The statuses as links, each with the number of its jobs.
#[component]
fn Statuses(counts: RwSignal<HistoryCounts>) -> impl IntoView {
    let links = counts.with_untracked(|counts| counts.statuses.clone());
    let links = links
        .into_iter()
        .enumerate()
        .map(|(index, status)| {
            let jobs = Signal::derive(move || {
                counts.with(|counts| {
                    counts.statuses.get(index).map_or_else(String::new, |it| count(it.jobs))
                })
            });
            let word = status.word.clone();
            let current = status.is_shown.then_some("true");
            view! {
                <a href=status.href aria-current=current data-status=word>
                    {status.word}
                    " "
                    <b>{jobs}</b>
                </a>
            }
        })
        .collect_view();
    view! {
        <nav class="statuses" aria-label="Status">
            {links}
        </nav>
    }
}

/// Looks up what the events do not tell.
#[derive(Clone, Copy)]
struct News {
    path: StoredValue<String>,
    counts: RwSignal<HistoryCounts>,
    jobs: JobList,
    is_due: StoredValue<bool>,
}

impl News {
    /// Looks up the counts in a moment, once for all changes until then.
    fn look_up_soon(self) {
        if !self.is_due.get_value() {
            self.is_due.set_value(true);
            set_timeout(
                move || {
                    // The page may have been left.
                    if self.is_due.try_set_value(false).is_none() {
                        self.look_up(Vec::new());
                    }
                },
                LOOK_UP_AFTER,
            );
        }
    }

    /// Looks up the counts and some jobs.
    fn look_up(self, ids: Vec<JobId>) {
        spawn_local(async move {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let Some(path) = self.path.try_get_value() else {
                return;
            };
            let Ok(text) = fetch::text(&format!("{path}&ids={}", ids.join(","))).await else {
                return;
            };
            if let Ok(HistoryNews { counts, jobs, deleted }) = json::read(&text)
                && self.counts.try_set(counts).is_none()
            {
                jobs.into_iter().for_each(|job| self.jobs.update_existing(job));
                deleted.iter().for_each(|id| self.jobs.remove(id));
            }
        });
    }
}
