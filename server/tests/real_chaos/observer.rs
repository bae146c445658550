//! Asks the API all the time while faults happen: what it says must be true, or it must
//! say that it does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::world::is_open;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two jobs that are submitted whatever happens.
const SUBMIT_EVERY: Duration = Duration::from_secs(8);

/// What is shared with those who change jobs.
#[derive(Clone, Default)]
pub(crate) struct Observed(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Jobs that were deleted on purpose.
    deleted: BTreeSet<String>,
    /// Jobs with harmed records, which may show anything.
    harmed: BTreeSet<String>,
    /// Jobs that this has submitted and that were accepted.
    accepted: BTreeSet<String>,
    /// Submissions that were refused.
    refused: u64,
    looks: u64,
    violations: Vec<String>,
}

impl Observed {
    /// A job is about to be deleted.
    pub(crate) fn forget(&self, job: &str) {
        let mut inner = self.lock();
        inner.deleted.insert(job.to_owned());
        inner.accepted.remove(job);
    }

    /// Whether a job was deleted.
    pub(crate) fn is_deleted(&self, job: &str) -> bool {
        self.lock().deleted.contains(job)
    }

    /// A record of a job is about to be harmed.
    pub(crate) fn harm(&self, job: &str) {
        self.lock().harmed.insert(job.to_owned());
    }

    /// The jobs that were submitted during faults, accepted, and not deleted.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        self.lock().accepted.clone()
    }

    /// What was done, in words.
    pub(crate) fn summary(&self) -> String {
        let inner = self.lock();
        format!(
            "The API was asked {} times while faults happened, and {} jobs that were submitted \
             then were refused",
            inner.looks, inner.refused
        )
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that asks.
pub(crate) struct Observer {
    observed: Observed,
    task: JoinHandle<()>,
}

impl Observer {
    pub(crate) fn start(url: String, http: reqwest::Client, observed: Observed) -> Observer {
        let task = tokio::spawn(run(url, http, observed.clone()));
        Observer { observed, task }
    }

    /// Stops asking; returns what was not true.
    pub(crate) fn stop(self) -> Vec<String> {
        self.task.abort();
        std::mem::take(&mut self.observed.lock().violations)
    }
}

/// What was seen of a job.
struct Seen {
    /// How often it was resumed, and its server restarted.
    times: (usize, usize),
    overall: f64,
    phase: String,
}

async fn run(url: String, http: reqwest::Client, observed: Observed) {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut submitted = Instant::now();
    loop {
        sleep(PAUSE).await;
        if submitted.elapsed() > SUBMIT_EVERY {
            submitted = Instant::now();
            submit(&url, &http, &observed).await;
        }
        // A connection may be cut at any time.
        let asked = http.get(format!("{url}/api/jobs?limit=1000")).send().await;
        let Ok(answer) = asked else { continue };
        if answer.status() != StatusCode::OK {
            refused(answer, "the list of jobs", &observed).await;
            continue;
        }
        let Ok(page) = answer.json::<Value>().await else { continue };
        let jobs = page["jobs"].as_array().cloned().unwrap_or_default();
        let mut inner = observed.lock();
        inner.looks += 1;
        let Inner { deleted, harmed, violations, .. } = &mut *inner;
        for job in &jobs {
            let id = job["id"].as_str().unwrap_or_default();
            if !harmed.contains(id) {
                violations.extend(compare(seen.get(id), job));
            }
            seen.insert(id.to_owned(), Seen::of(job));
        }
        let is_listed = |id: &String| jobs.iter().any(|job| job["id"].as_str() == Some(id));
        seen.retain(|id, _| {
            let is_gone = !is_listed(id);
            if is_gone && !deleted.contains(id) && !harmed.contains(id) {
                violations.push(format!("{id} is not listed any more"));
            }
            !is_gone
        });
    }
}

impl Seen {
    fn of(job: &Value) -> Seen {
        let times = |name: &str| job[name].as_array().map_or(0, Vec::len);
        Seen {
            times: (times("resumes"), times("restarts")),
            overall: job["overall"].as_f64().unwrap_or_default(),
            phase: job["phase"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// What cannot be true of a job after what it was before.
fn compare(before: Option<&Seen>, job: &Value) -> Option<String> {
    let (before, now) = (before?, Seen::of(job));
    let is_resumed = before.times.0 != now.times.0;
    let was_over = ["done", "failed", "cancelled"].contains(&before.phase.as_str());
    if was_over && !is_resumed && now.phase != before.phase {
        return Some(format!("{} was {}, and is {} now", job["id"], before.phase, now.phase));
    }
    // What the last seconds before a restart brought may not be stored yet.
    let falls = now.overall < before.overall - 1e-9;
    if falls && before.times == now.times && is_open(job) {
        return Some(format!(
            "the progress of {} fell from {} to {}",
            job["id"], before.overall, now.overall
        ));
    }
    None
}

/// Submits a small job.
async fn submit(url: &str, http: &reqwest::Client, observed: &Observed) {
    let inputs = json!({"generate": {"files": 3, "count": 100, "format": "csv"}});
    let asked = http.post(format!("{url}/api/jobs")).json(&json!({"inputs": inputs})).send().await;
    let Ok(answer) = asked else { return };
    if answer.status() == StatusCode::CREATED {
        // An answer that is cut off may belong to an accepted job, which is listed then.
        let job: Value = answer.json().await.unwrap_or_default();
        if let Some(id) = job["id"].as_str() {
            observed.lock().accepted.insert(id.to_owned());
        }
    } else {
        observed.lock().refused += 1;
        refused(answer, "a submission", observed).await;
    }
}

/// A refusal says that it is for a time, and what is wrong.
async fn refused(answer: Response, what: &str, observed: &Observed) {
    let status = answer.status();
    let has_time = answer.headers().contains_key("retry-after");
    let said = answer.text().await.unwrap_or_default();
    if status != StatusCode::SERVICE_UNAVAILABLE || !has_time {
        let time = if has_time { "with" } else { "without" };
        let violation = format!("{what} was answered {status} {time} Retry-After: {said}");
        observed.lock().violations.push(violation);
    }
}
