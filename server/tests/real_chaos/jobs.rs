//! Random jobs, and what happens to them.

mod spec;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use self::spec::Spec;
use crate::exact;
use crate::observer::Observed;
use crate::world::{NotHappened, World, is_open};

/// How long a request is repeated while the server, or the store behind it, is away.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// How many jobs there are, and how large they are.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// How many jobs are open at the same time.
    pub(crate) open_max: usize,
    pub(crate) files_max: usize,
    pub(crate) columns_max: usize,
    /// The probability that an input of a job is wrong.
    pub(crate) bad: f64,
    /// The probability that a job which is done is deleted, whenever jobs are looked at.
    pub(crate) deleted: f64,
    /// The probability that one of the open jobs is cancelled then.
    pub(crate) cancelled: f64,
    /// Whether stragglers are run again.
    pub(crate) speculation: bool,
}

/// A record of a job that was harmed.
struct Harmed {
    name: &'static str,
    url: String,
    before: Vec<u8>,
    /// What it became; `None` if it is gone.
    after: Option<Vec<u8>>,
}

/// How often something happened.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) cancels: u64,
    pub(crate) resumes: u64,
    pub(crate) deletes: u64,
    /// Wrong inputs that were made right after the job had failed.
    pub(crate) mended: u64,
    /// Jobs that failed because an input was overwritten.
    pub(crate) changed: u64,
    /// Jobs that failed because a record was harmed.
    pub(crate) unreadable: u64,
    pub(crate) compared: u64,
    pub(crate) read_bytes: u64,
    pub(crate) read_twice_bytes: u64,
}

/// All jobs, by the folder of their inputs.
pub(crate) struct Jobs {
    seed: u64,
    load: Load,
    specs: BTreeMap<String, Spec>,
    /// The folder of the inputs of each job that was listed: one whose records are harmed
    /// may not show it any more.
    folders: Mutex<BTreeMap<String, String>>,
    harmed: BTreeMap<String, Harmed>,
    /// The jobs that were accepted and not deleted.
    accepted: BTreeSet<String>,
    observed: Observed,
    pub(crate) counts: Counts,
    /// Results that were wrong before their job was deleted.
    wrong: Vec<String>,
}

impl Jobs {
    pub(crate) fn new(seed: u64, load: Load, observed: Observed) -> Jobs {
        Jobs {
            seed,
            load,
            specs: BTreeMap::new(),
            folders: Mutex::default(),
            harmed: BTreeMap::new(),
            accepted: BTreeSet::new(),
            observed,
            counts: Counts::default(),
            wrong: Vec::new(),
        }
    }

    /// Submits jobs until enough are open, and cancels, resumes or deletes some now and
    /// then.
    pub(crate) async fn act(&mut self, world: &World, random: &mut StdRng) {
        let Some(listed) = self.listed(world).await else {
            return;
        };
        let open: Vec<&Value> = listed.iter().filter(|job| is_open(job)).collect();
        for _ in open.len()..self.load.open_max {
            self.submit(world, random).await;
        }
        if let Some(job) = open.first().filter(|_| random.random_bool(self.load.cancelled)) {
            let url = format!("{}/api/jobs/{}", world.client.url, id(job));
            let asked = world.http.delete(url).send().await;
            if asked.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED) {
                self.counts.cancels += 1;
            }
        }
        for job in listed.iter().filter(|job| job["phase"] == "done") {
            if random.random_bool(self.load.deleted) {
                self.purge(world, job).await;
            }
        }
        let cancelled = listed.iter().find(|job| job["phase"] == "cancelled");
        if let Some(job) = cancelled.filter(|_| random.random_bool(0.5)) {
            self.resume(world, job).await;
        }
    }

    /// Writes the inputs of a random job, and submits it.
    async fn submit(&mut self, world: &World, random: &mut StdRng) {
        let folder = format!("in/{}-{}", self.seed, self.specs.len());
        let spec = Spec::random(random, self.load);
        for file in 0..spec.files {
            let is_bad = spec.bad == Some(file);
            if !put(world, &spec.key(&folder, file), spec.content(file, is_bad)).await {
                return;
            }
        }
        let fan_in = [json!(2), json!(3), json!(5), json!("auto")];
        let statistics = [json!([]), json!(["min", "max"]), json!(["sum", "std"])];
        let request = json!({
            "inputs": {"prefix": folder},
            "fan_in": fan_in[random.random_range(0..fan_in.len())],
            "workers": random.random_range(1..5),
            "statistics": statistics[random.random_range(0..statistics.len())],
            "speculation": {"enabled": self.load.speculation},
        });
        let url = format!("{}/api/jobs", world.client.url);
        // Known before it is submitted: the answer may get lost.
        self.specs.insert(folder, spec);
        let asked = world.http.post(url).json(&request).send().await;
        let Ok(answer) = asked else { return };
        if answer.status() == StatusCode::CREATED {
            self.counts.submitted += 1;
            let job: Value = answer.json().await.unwrap_or_default();
            self.accepted.insert(id(&job).to_owned());
        }
    }

    /// Overwrites an input of a job that runs. It fails for it, unless it has read the
    /// input already.
    pub(crate) async fn overwrite_some(
        &mut self,
        world: &World,
        random: &mut StdRng,
    ) -> Result<(), NotHappened> {
        let listed = self.listed(world).await.unwrap_or_default();
        let running: Vec<String> = listed
            .iter()
            .filter(|job| job["phase"] == "running")
            .map(|job| self.folder(job))
            .collect();
        let is_free = |spec: &Spec| spec.bad.is_none() && spec.overwritten.is_none();
        let free = running.into_iter().find(|name| self.specs.get(name).is_some_and(is_free));
        let name = free.ok_or(NotHappened("no job ran"))?;
        let spec = self.specs.get_mut(&name).ok_or(NotHappened("no job ran"))?;
        let file = random.random_range(0..spec.files);
        // Known before it is stored: the answer may get lost.
        spec.overwritten = Some(file);
        let (key, content) = (spec.key(&name, file), spec.content(file, false));
        let is_stored = put(world, &key, content).await;
        is_stored.then_some(()).ok_or(NotHappened("it was not stored"))
    }

    /// Deletes a job that is done, once its result has been compared.
    async fn purge(&mut self, world: &World, job: &Value) {
        let url = format!("{}/api/jobs/{}", world.client.url, id(job));
        let result = world.http.get(format!("{url}/result?format=npy")).send().await;
        let Ok(answer) = result.and_then(reqwest::Response::error_for_status) else { return };
        let Ok(bytes) = answer.bytes().await else { return };
        if let Some(spec) = self.specs.get(&self.folder(job)) {
            self.counts.compared += 1;
            if spec.bad.is_some() {
                self.wrong.push(format!("{} is done with a wrong input", id(job)));
            } else if !spec.means().contains(&exact::bits(&exact::parse_npy(&bytes))) {
                self.wrong.push(format!("{} has wrong bits", id(job)));
            }
        }
        self.count(job);
        // Known before it is deleted: the answer may get lost.
        self.observed.forget(id(job));
        self.accepted.remove(id(job));
        let deleted = world.http.delete(format!("{url}?purge=true")).send().await;
        self.counts.deletes += u64::from(deleted.is_ok_and(|answer| answer.status().is_success()));
    }

    /// Resumes a job that has failed or was cancelled.
    async fn resume(&mut self, world: &World, job: &Value) -> bool {
        let url = format!("{}/api/jobs/{}/resume", world.client.url, id(job));
        let asked = world.http.post(url).send().await;
        let is_resumed = asked.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED);
        if is_resumed {
            self.counts.resumes += 1;
            let folder = self.folder(job);
            if let Some(spec) = self.specs.get_mut(&folder) {
                spec.is_renewed |= spec.overwritten.is_some();
            }
        }
        is_resumed
    }

    /// All jobs, as the server lists them; `None` while it does not answer.
    pub(crate) async fn listed(&self, world: &World) -> Option<Vec<Value>> {
        let url = format!("{}/api/jobs?limit=1000", world.client.url);
        let answer = world.http.get(url).send().await.ok()?;
        let page: Value = answer.error_for_status().ok()?.json().await.ok()?;
        let listed = page["jobs"].as_array()?.clone();
        for job in &listed {
            self.folder(job);
        }
        Some(listed)
    }

    /// The folder of a job's inputs, as it was listed first.
    fn folder(&self, job: &Value) -> String {
        let mut folders = self.folders.lock().expect("no panic before");
        let shown = job["request"]["inputs"]["prefix"].as_str().unwrap_or_default();
        folders.entry(id(job).to_owned()).or_insert_with(|| shown.to_owned()).clone()
    }

    pub(crate) fn is_harmed(&self, job: &str) -> bool {
        self.harmed.contains_key(job)
    }

    /// Notes that a record of a job is about to be harmed.
    pub(crate) fn harm(&mut self, job: &str, name: &'static str, url: &str, before: Vec<u8>) {
        self.observed.harm(job);
        let harmed = Harmed { name, url: url.to_owned(), after: Some(before.clone()), before };
        self.harmed.insert(job.to_owned(), harmed);
    }

    /// Notes what the record has become.
    pub(crate) fn harmed_to(&mut self, job: &str, after: Option<Vec<u8>>) {
        if let Some(harmed) = self.harmed.get_mut(job) {
            harmed.after = after;
        }
    }

    /// Adds what a job that is done has read.
    fn count(&mut self, job: &Value) {
        let bytes = |name: &str| job["bytes"][name].as_u64().unwrap_or_default();
        self.counts.read_bytes += bytes("input_read");
        self.counts.read_twice_bytes += bytes("read_twice");
    }
}

/// Stores an object through the server, repeated while that does not work.
async fn put(world: &World, key: &str, bytes: Vec<u8>) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let url = format!("{}/api/files/{key}", world.client.url);
        let stored = world.http.put(url).body(bytes.clone()).send().await;
        if stored.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

fn id(job: &Value) -> &str {
    job["id"].as_str().unwrap_or_default()
}
