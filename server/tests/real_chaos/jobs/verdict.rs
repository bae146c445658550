//! What must have become of each job at the end.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::{Jobs, PAUSE, id, put};
use crate::exact;
use crate::residue;
use crate::world::{World, is_open};

/// How long all jobs may take to end after the last fault.
const END_MAX: Duration = Duration::from_secs(240);
/// How often jobs may have to be mended and resumed: once each for a wrong input, an input
/// that was overwritten, a record that was harmed, and a cancel.
const ROUNDS: usize = 5;

impl Jobs {
    /// Waits until every job is over. The cancelled ones are resumed, and failed ones are
    /// mended and resumed, until all are done. Returns everything that is not as it must be.
    pub(crate) async fn verify(&mut self, world: &mut World) -> Vec<String> {
        let mut violations = std::mem::take(&mut self.wrong);
        for _ in 0..ROUNDS {
            let listed = self.until_over(world, &mut violations).await;
            let mut is_done = true;
            for job in listed.iter().filter(|job| job["phase"] != "done") {
                is_done = false;
                if job["phase"] == "failed" {
                    violations.extend(self.mend(world, job).await);
                }
                if !self.resume(world, job).await {
                    violations.push(format!("{} cannot be resumed: {}", id(job), job["error"]));
                }
            }
            if is_done {
                break;
            }
        }
        let listed = self.until_over(world, &mut violations).await;
        let observed = self.observed.accepted();
        let missing = self
            .accepted
            .iter()
            .chain(&observed)
            .filter(|it| !listed.iter().any(|job| id(job) == **it));
        violations.extend(missing.map(|it| format!("{it} was accepted, and is lost")));
        for job in listed {
            violations.extend(self.verdict(world, &job).await);
        }
        let observed = self.observed.clone();
        violations.extend(residue::left_behind(world, |job| observed.is_deleted(job)).await);
        violations
    }

    /// Mends what a job has failed for; returns what is wrong with its error.
    async fn mend(&mut self, world: &World, job: &Value) -> Option<String> {
        let (name, detail) = (self.folder(job), job["error"].to_string());
        let mut is_named = false;
        if let Some(harmed) = self.harmed.remove(id(job)) {
            if detail.contains(harmed.name) {
                is_named = true;
                self.counts.unreadable += 1;
            }
            // Unless the server has written another one.
            let is_it = match world.http.get(&harmed.url).send().await {
                Ok(answer) if answer.status().is_success() => {
                    answer.bytes().await.ok().map(Vec::from) == harmed.after
                }
                _ => harmed.after.is_none(),
            };
            if is_it {
                let restored = world.http.put(&harmed.url).body(harmed.before).send().await;
                if !restored.is_ok_and(|answer| answer.status().is_success()) {
                    return Some(format!("{} of {} was not restored", harmed.name, id(job)));
                }
            }
        }
        if let Some(spec) = self.specs.get_mut(&name) {
            if let Some(file) = spec.overwritten
                && detail.contains(&spec.key(&name, file))
            {
                is_named = true;
                self.counts.changed += 1;
            }
            if let Some(bad) = spec.bad
                && detail.contains(&spec.key(&name, bad))
            {
                is_named = true;
                spec.bad = None;
                let mended = put(world, &spec.key(&name, bad), spec.content(bad, false)).await;
                self.counts.mended += u64::from(mended);
            }
        }
        (!is_named).then(|| format!("{} has failed, for no reason of its own: {detail}", id(job)))
    }

    /// What is wrong with a job at the end.
    async fn verdict(&mut self, world: &World, job: &Value) -> Option<String> {
        if job["phase"] != "done" {
            return Some(format!("{} is {}: {}", id(job), job["phase"], job["error"]));
        }
        self.count(job);
        let name = self.folder(job);
        let Some(spec) = self.specs.get(&name) else {
            let is_observers = job["request"]["inputs"]["generate"].is_object();
            return (!is_observers).then(|| format!("{} was not submitted", id(job)));
        };
        if let Some(bad) = spec.bad {
            let key = spec.key(&name, bad);
            return Some(format!("{} should have failed by {key}", id(job)));
        }
        self.counts.compared += 1;
        let mean = world.client.result(id(job)).await;
        let is_right = spec.means().contains(&exact::bits(&mean));
        (!is_right).then(|| format!("{} has wrong bits", id(job)))
    }

    /// All jobs once each is over.
    async fn until_over(&self, world: &mut World, violations: &mut Vec<String>) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let listed = self.listed(world).await;
            if let Some(listed) = listed.filter(|listed| !listed.iter().any(is_open)) {
                return listed;
            }
            if begun.elapsed() > END_MAX {
                let listed = self.listed(world).await.unwrap_or_default();
                let open = listed.iter().filter(|job| is_open(job));
                violations.extend(open.map(|job| format!("{} does not end: {job}", id(job))));
                return listed;
            }
            sleep(PAUSE).await;
        }
    }
}
