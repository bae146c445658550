//! What a result was made from, its statistics, and how to check it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::exact;
use super::running::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_are_shown_and_can_be_downloaded_from_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("in/a.npy", exact::to_npy("3,", &[1.0, 2.0, 30.0])).await;
    running.upload("in/b.npy", exact::to_npy("3,", &[2.0, 7.0, 50.0])).await;
    let request = json!({"inputs": {"prefix": "in/"}, "statistics": ["min", "max", "std"]});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let summaries = ended["result"]["summaries"].as_array().expect("summaries");
    assert_eq!(summaries[0]["first"], json!(["1.0", "2.0", "30.0"]));
    assert_eq!(summaries[1]["max"], "50.0");
    assert_eq!(summaries[2]["first"], json!(["0.5", "2.5", "10.0"]));

    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    for (statistic, value, summary) in [("min", "30.0", 0), ("max", "50.0", 1), ("std", "10.0", 2)]
    {
        let card = page.split(&format!("data-statistic=\"{statistic}\"")).nth(1).expect(statistic);
        let card = card.split("data-statistic=").next().unwrap();
        assert!(card.contains(value), "{statistic}: {card}");
        let href = card.split("href=\"").nth(1).and_then(|it| it.split('"').next()).unwrap();
        assert!(href.ends_with(&format!("format=npy&amp;statistic={statistic}")), "{href}");
        let bytes = running.get(&href.replace("&amp;", "&")).await.bytes().await.unwrap();
        let file = &summaries[summary]["file"];
        assert_eq!(file["bytes"], bytes.len() as u64);
        assert_eq!(file["sha256"], json!(sha256(&bytes)));
    }
    running.stop().await;
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_tells_what_its_result_was_made_from() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for file in 0..130 {
        running.upload(&format!("in/{file:03}.csv"), format!("{file}\n7\n")).await;
    }
    let request = json!({"inputs": {"prefix": "in/"}, "name": "my name", "fan_in": 7});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    let mean = running.get(&format!("/api/jobs/{job}/result?format=npy")).await.bytes().await;
    let hash = sha256(&mean.unwrap());
    assert_eq!(ended["result"]["file"]["sha256"], json!(hash));
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    for told in ["Folder in the store", ">in/<", &hash, "sha256sum -c", "fan_in", "my name"] {
        assert!(page.contains(told), "{told}");
    }
    assert!(page.contains(&format!("href=\"/jobs/{job}/inputs\"")));

    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let path = format!("/api/jobs/{job}/inputs?cursor={cursor}&limit=100");
        let list = running.get_json(&path).await;
        assert_eq!(list["total"], 130);
        seen.extend(list["inputs"].as_array().unwrap().iter().cloned());
        match list["cursor"].as_u64() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 130);
    let file = |index: usize| &seen[index];
    assert_eq!((&file(129)["location"], &file(129)["bytes"]), (&json!("in/129.csv"), &json!(6)));
    let version = file(3)["version"].as_str().expect("a version");
    assert!(version.starts_with("file:"), "{version}");

    let files = running.get(&format!("/jobs/{job}/inputs")).await.text().await.unwrap();
    assert!(files.contains("in/003.csv") && files.contains(version), "its version is shown");
    assert!(!files.contains("in/129.csv") && files.contains("inputs?start=100"));
    let rest = running.get(&format!("/jobs/{job}/inputs?start=100")).await.text().await.unwrap();
    assert!(rest.contains("in/129.csv") && !rest.contains("start="));
    // A job without a plan has no list.
    let nothing = running.submit(&json!({"inputs": {"prefix": "none/"}})).await;
    running.follow(&nothing).await;
    let page = running.get(&format!("/jobs/{nothing}/inputs")).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("The job ended before it was planned."));
    let problem: Value =
        running.get(&format!("/api/jobs/{nothing}/inputs")).await.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("not listed"), "{problem}");
    running.stop().await;
}
