//! A straggler on the real engine: what speculation gains, in one run.

use std::time::Instant;

use serde_json::{Value, json};

use super::installation::{Installation, count, embedded_bits};

/// All workers are slowed down by this factor, so that the durations are
/// theirs and not those of a busy machine …
const BASE: f64 = 40.0;
/// … and one of them by this factor on top.
const STRAGGLER: f64 = 8.0;
/// The number of runs in each mode.
const ROUNDS: usize = 3;
/// The most of the time without speculation that ours may take, …
const NONE_PART: f64 = 0.7;
/// … and of that with a plain copy, which it beats by a tenth: the rest is for what
/// else a machine does. The simulator compares the rules exactly.
const COPY_PART: f64 = 1.1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_straggler_holds_a_job_up_least_with_our_speculation() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "2"]).await;
    let fast = format!("{BASE}");
    let slow = format!("{}", BASE * STRAGGLER);
    let _fast = installation.worker("fast", &["--slowness", &fast]);
    let _slow = installation.worker("slow", &["--slowness", &slow]);
    server.ready(2).await;
    let inputs = json!({"generate":
        {"files": 8, "count": 640_000, "format": "npy", "seed": 9}});
    let expected = embedded_bits(&inputs).await;
    let run = async |name: &str, speculation: Value| -> Run {
        let request = json!({"inputs": inputs, "name": name, "fan_in": 8, "workers": 2,
            "speculation": speculation});
        let began = Instant::now();
        let job = server.submit(&request).await;
        let ended = server.follow(&job).await;
        let took = began.elapsed().as_secs_f64();
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        assert_eq!(server.bits(&job).await, expected, "{name}");
        let (attempts, bytes) = (&ended["attempts"], &ended["bytes"]);
        println!(
            "{name:14} {:6.2} s   {} tasks, {} speculative attempts, {} of them first; \
             {} of {} input bytes read twice, {} bytes of partial sums reused",
            took,
            attempts["completed"],
            attempts["speculative"],
            attempts["speculative_won"],
            bytes["read_twice"],
            ended["inputs"]["bytes"],
            bytes["reused"],
        );
        Run { secs: took, read_twice: count(&ended, "bytes", "read_twice") as f64 }
    };
    // In turn, so that other load of the machine affects all modes.
    let mut runs = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        runs[0].push(run("no speculation", json!({"enabled": false})).await);
        runs[1].push(run("plain copy", json!({"policy": "original", "share": 1.0})).await);
        runs[2].push(run("ours", json!({"share": 1.0})).await);
    }
    let [none, copy, ours] = runs.each_ref().map(|runs| median(runs, |run| run.secs));
    println!(
        "medians of {ROUNDS}: none {none:.2} s, plain copy {copy:.2} s, ours {ours:.2} s: \
        {:.2} of none, {:.2} of a plain copy",
        ours / none,
        ours / copy
    );
    assert!(ours < NONE_PART * none, "{ours} s against {none} s without");
    assert!(ours < COPY_PART * copy, "{ours} s against {copy} s with a plain copy");
    // What makes the difference, and does not depend on how busy the machine is: the
    // second attempt takes what the first has not done.
    let [_, copy, ours] = runs.each_ref().map(|runs| median(runs, |run| run.read_twice));
    assert!(copy > 0.0, "a plain copy reads again what the first has read");
    assert!(ours < copy / 4.0, "{ours} bytes read twice, {copy} with a plain copy");
    server.stop().await;
}

/// The measurements of one run.
struct Run {
    secs: f64,
    read_twice: f64,
}

fn median(runs: &[Run], measure: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(measure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
