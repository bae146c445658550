//! A straggler on the real engine: what speculation gains, in one run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ground::{Installation, embedded_bits};

/// All workers are this much slower than they could be, so that the times are
/// theirs and not those of a busy machine …
const BASE: f64 = 25.0;
/// … and one of them so many times slower again.
const STRAGGLER: f64 = 8.0;

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
        {"files": 8, "count": 320_000, "format": "npy", "seed": 9}});
    let expected = embedded_bits(&inputs).await;
    let run = async |name: &str, speculation: Value| -> Duration {
        let request = json!({"inputs": inputs, "name": name, "fan_in": 8, "workers": 2,
            "speculation": speculation});
        let began = Instant::now();
        let job = server.submit(&request).await;
        let ended = server.follow(&job).await;
        let took = began.elapsed();
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        assert_eq!(server.bits(&job).await, expected, "{name}");
        let (attempts, bytes) = (&ended["attempts"], &ended["bytes"]);
        println!(
            "{name:14} {:6.2} s   {} tasks, {} speculative attempts, {} of them first; \
             {} of {} input bytes read twice, {} bytes of partial sums reused",
            took.as_secs_f64(),
            attempts["completed"],
            attempts["speculative"],
            attempts["speculative_won"],
            bytes["read_twice"],
            ended["inputs"]["bytes"],
            bytes["reused"],
        );
        took
    };
    let none = run("no speculation", json!({"enabled": false})).await;
    let share = 1.0;
    let copy = run("plain copy", json!({"policy": "original", "share": share})).await;
    let ours = run("ours", json!({"share": share})).await;
    println!(
        "ours takes {:.2} of none, {:.2} of a plain copy",
        ours.as_secs_f64() / none.as_secs_f64(),
        ours.as_secs_f64() / copy.as_secs_f64()
    );
    assert!(ours < none, "{ours:?} against {none:?} without");
    assert!(ours < copy, "{ours:?} against {copy:?} with a plain copy");
    server.stop().await;
}
