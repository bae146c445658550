//! A straggler on the real engine: what speculation gains, in one run.

use std::time::Instant;

use serde_json::{Value, json};

use super::installation::{Installation, embedded_bits};

/// All workers are slowed down by this factor, so that the durations are
/// theirs and not those of a busy machine …
const BASE: f64 = 4.0;
/// … and one of them by this factor on top.
const STRAGGLER: f64 = 4.0;
/// The number of runs in each mode.
const ROUNDS: usize = 3;

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
        {"files": 6, "count": 500_000, "format": "csv", "seed": 9}});
    let expected = embedded_bits(&inputs).await;
    // The seconds of a job, and the bytes of partial sums that were reused.
    let run = async |name: &str, speculation: Value| -> (f64, f64) {
        let request = json!({"inputs": inputs, "name": name, "fan_in": 2, "workers": 2,
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
        (took, bytes["reused"].as_f64().expect("a count of bytes"))
    };
    // In turn, so that other load of the machine affects all modes.
    let mut runs = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        runs[0].push(run("no speculation", json!({"enabled": false})).await);
        runs[1].push(run("plain copy", json!({"policy": "original", "share": 1.0})).await);
        runs[2].push(run("ours", json!({"share": 1.0})).await);
    }
    let means = |figure: fn(&(f64, f64)) -> f64| {
        runs.each_ref().map(|runs| runs.iter().map(figure).sum::<f64>() / runs.len() as f64)
    };
    let [none, copy, ours] = means(|run| run.0);
    let [_, copied, reused] = means(|run| run.1);
    println!(
        "means of {ROUNDS}: none {none:.2} s, plain copy {copy:.2} s, ours {ours:.2} s: \
        {:.2} of none, {:.2} of a plain copy; {reused:.0} bytes of partial sums reused",
        ours / none,
        ours / copy,
    );
    assert!(ours < none, "{ours} s against {none} s without");
    // Few rounds on a machine with other work: the simulator compares the rules exactly.
    assert!(ours < 1.1 * copy, "{ours} s against {copy} s with a plain copy");
    assert!(copied < 1.0, "a plain copy starts over");
    assert!(reused > 0.0, "what a straggler has finished is used");
    server.stop().await;
}
