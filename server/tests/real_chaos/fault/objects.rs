//! Faults of what is stored: partial sums and records that are damaged, cut or gone.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::jobs::Jobs;
use crate::world::{NAME, NotHappened, World, is_open};

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// A bit is another one, or of a record all bytes.
    Damaged,
    Cut,
    Gone,
}

/// The records of a job that runs.
const RECORDS: [&str; 4] = ["request.json", "plan.json", "learned.json", "checkpoint.json"];

/// Harms a partial sum of a job that is not over.
pub(super) async fn segment(
    harm: Harm,
    world: &mut World,
    random: &mut StdRng,
) -> Result<(), NotHappened> {
    let segments = world.segments().await;
    if segments.is_empty() {
        return Err(NotHappened("there was no partial sum"));
    }
    let url = segments[random.random_range(0..segments.len())].clone();
    let bytes = read(world, &url).await.ok_or(NotHappened("the partial sum was gone"))?;
    world.writes.harm(&url);
    write(harm, world, &url, bytes, random).await.map(drop)
}

/// Harms a record of a job that runs. Whoever leads next reads it.
pub(super) async fn record(
    harm: Harm,
    world: &World,
    jobs: &mut Jobs,
    random: &mut StdRng,
) -> Result<(), NotHappened> {
    let listed = jobs.listed(world).await.unwrap_or_default();
    let running = listed.iter().filter(|job| is_open(job) && job["phase"] == "running");
    let job = running.filter_map(|job| job["id"].as_str()).find(|job| !jobs.is_harmed(job));
    let job = job.ok_or(NotHappened("no job ran"))?.to_owned();
    // A job whose request is gone is one that was deleted: nothing else marks a deletion.
    let names = if harm == Harm::Gone { &RECORDS[1..] } else { &RECORDS[..] };
    let name = names[random.random_range(0..names.len())];
    let url = world.object_url(&format!("{NAME}/jobs/{job}/{name}"));
    let bytes = read(world, &url).await.ok_or(NotHappened("there was no such record"))?;
    // Known before it happens: the server may read it at once.
    jobs.harm(&job, name, &url, bytes.clone());
    let harmed = write(harm, world, &url, bytes, random).await?;
    jobs.harmed_to(&job, harmed);
    Ok(())
}

async fn read(world: &World, url: &str) -> Option<Vec<u8>> {
    let answer = world.http.get(url).send().await.ok()?.error_for_status().ok()?;
    let bytes = answer.bytes().await.map(Vec::from).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// Writes what is left; returns it.
async fn write(
    harm: Harm,
    world: &World,
    url: &str,
    mut bytes: Vec<u8>,
    random: &mut StdRng,
) -> Result<Option<Vec<u8>>, NotHappened> {
    let failed = NotHappened("the store did not do it");
    match harm {
        Harm::Gone => {
            let deleted = world.http.delete(url).send().await;
            let is_done = deleted.is_ok_and(|it| it.status().is_success());
            return if is_done { Ok(None) } else { Err(failed) };
        }
        Harm::Cut => bytes.truncate(random.random_range(0..bytes.len())),
        // Records have no checksums: one that says something else may be true.
        Harm::Damaged if url.ends_with(".json") => {
            bytes.iter_mut().for_each(|byte| *byte = random.random());
        }
        Harm::Damaged => {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
    }
    let written = world.http.put(url).body(bytes.clone()).send().await;
    if written.is_ok_and(|it| it.status().is_success()) { Ok(Some(bytes)) } else { Err(failed) }
}
