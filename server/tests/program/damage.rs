//! Results that are not what was written: the answer says so, and tells no wrong number.

use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use reqwest::header::RANGE;
use serde_json::{Value, json};

use super::exact;
use super::running::Running;

/// Three blocks of checksums.
const COLUMNS: usize = 300_000;

/// A way to damage a file, and its name.
type Damage = (&'static str, fn(&Path));

fn done(folder: &Path, job: &str) -> PathBuf {
    folder.join("jobs").join(job).join("result/mean.npy")
}

fn flip(path: &Path, place: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).expect("a result");
    let place = place(bytes.len());
    bytes[place] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_result_is_an_error_of_the_server_and_never_other_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let data = json!({"files": 2, "count": COLUMNS, "format": "npy"});
    let job = running.submit(&json!({"inputs": {"generate": data}})).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    let expected = exact::bits(&running.result(&job).await);
    let path = done(folder.path(), &job);
    let sound = std::fs::read(&path).unwrap();
    let at_once: [Damage; 6] = [
        ("emptied", |path| std::fs::write(path, b"").expect("written")),
        ("cut", |path| {
            let file = std::fs::File::options().write(true).open(path).expect("a result");
            file.set_len(1_500_000).expect("cut");
        }),
        ("longer", |path| {
            let mut bytes = std::fs::read(path).expect("a result");
            bytes.extend([0; 8]);
            std::fs::write(path, bytes).expect("written");
        }),
        ("zeros", |path| {
            let length = std::fs::read(path).expect("a result").len();
            std::fs::write(path, vec![0; length]).expect("written");
        }),
        ("another first number", |path| flip(path, |_| 130)),
        ("gone", |path| std::fs::remove_file(path).expect("removed")),
    ];
    for (damage, damaging) in at_once {
        damaging(&path);
        for format in ["npy", "csv", "json", "raw"] {
            let answer = running.get(&format!("/api/jobs/{job}/result?format={format}")).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{damage} {format}");
            let problem: Value = answer.json().await.unwrap();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("result/mean.npy is damaged"), "{damage}: {detail}");
            assert!(problem["remedy"].as_str().unwrap().contains("/rerun"), "{problem}");
        }
        std::fs::write(&path, &sound).unwrap();
    }
    // Behind the first block the answer has begun.
    flip(&path, |length| length - 1);
    // A connection whose answer ended early is closed, so each request has its own.
    let url = format!("{}/api/jobs/{job}/result", running.url);
    for format in ["npy", "csv", "json", "raw"] {
        let request = reqwest::Client::new().get(format!("{url}?format={format}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect_err("it ends early");
    }
    // The answer may end before its head is sent.
    let range = async |range: &str| {
        let request = reqwest::Client::new().get(&url).header(RANGE, range);
        request.send().await?.bytes().await
    };
    for (start, end) in [(0, 9), (1_000_000, 1_100_000), (1_048_576, 2_097_151)] {
        let found = range(&format!("bytes={start}-{end}")).await.unwrap();
        assert_eq!(found, &sound[start..=end], "the other blocks are as they were");
    }
    range("bytes=-1").await.expect_err("it ends early");
    std::fs::write(&path, &sound).unwrap();
    assert_eq!(exact::bits(&running.result(&job).await), expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_of_an_earlier_version_has_only_its_size_to_show_damage() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let data = json!({"files": 2, "count": 1000, "format": "npy"});
    let job = running.submit(&json!({"inputs": {"generate": data}})).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    let expected = exact::bits(&running.result(&job).await);
    let checksums = folder.path().join("jobs").join(&job).join("checksums.json");
    std::fs::remove_file(checksums).unwrap();
    assert_eq!(exact::bits(&running.result(&job).await), expected);
    let path = done(folder.path(), &job);
    for length in [0, 64, 1000] {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        let answer = running.get(&format!("/api/jobs/{job}/result")).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.text().await.unwrap().contains("is damaged"));
    }
    running.stop().await;
}
