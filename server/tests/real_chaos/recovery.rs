//! How long it takes until jobs move again after a fault.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::jobs::Jobs;
use crate::world::{PAUSE, RECOVERY_MAX, World, is_open};

/// Waits until a task completes after the end of a fault, or no job is left; how long
/// that took, or why nothing moves.
pub(crate) async fn recovery(world: &mut World, jobs: &Jobs) -> Result<Duration, String> {
    let begun = Instant::now();
    world.calm().await;
    let mut before = None;
    while begun.elapsed() < RECOVERY_MAX {
        let listed = jobs.listed(world).await;
        let Some(listed) = listed else {
            sleep(PAUSE).await;
            continue;
        };
        let open = listed.iter().filter(|job| is_open(job)).count();
        let moved: u64 = listed.iter().map(progress).sum();
        if open == 0 || before.is_some_and(|before| moved > before) {
            return Ok(begun.elapsed());
        }
        before.get_or_insert(moved);
        sleep(PAUSE).await;
    }
    Err(format!("nothing moved within {} seconds", RECOVERY_MAX.as_secs()))
}

/// A number that grows while a job moves.
fn progress(job: &Value) -> u64 {
    let count = |group: &str, name: &str| job[group][name].as_u64().unwrap_or_default();
    let is_over = u64::from(!is_open(job));
    count("attempts", "completed") + count("bytes", "input_read") + is_over
}
