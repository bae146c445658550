//! What a job owes when it has ended, and uploads, when another server takes over.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::json;

use super::child::Child;
use super::exact;
use super::outputs::{allowed, location, names};
use super::standby::{two, until, until_it_passes_on};
use super::uploads::{arrived, begin, content, finish, put, send_beginning, sha256};
use super::webhooks::{Answer, Receiver, delivery, flags, secret};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_are_written_and_webhooks_delivered_by_whoever_leads_then() {
    let folder = tempfile::tempdir().unwrap();
    let (store, out) = (folder.path().join("store"), folder.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    // Never answers the first message, so that its sender is killed before the second.
    let mut receiver = Receiver::start([Answer::None]).await;
    let [key, receivers] = flags(&secret(folder.path()), &receiver.address.to_string());
    let outputs = allowed(&out);
    let further = [key.as_str(), &receivers, &outputs, "--slowness", "30"];
    let (mut leader, mut standby) = two(&store, &further).await;
    let job = standby
        .submit(&json!({
            "inputs": {"generate": {"files": 30, "count": 10_000, "format": "csv", "seed": 4}},
            "fan_in": 2,
            "output": {"location": format!("{}/means", location(&out))},
            "webhook": {"url": receiver.url()},
        }))
        .await;
    let at = standby.until(&job, |job| job["progress"][0]["completed"].as_u64() >= Some(2)).await;
    assert_eq!((&at["phase"], names(&out)), (&json!("running"), BTreeSet::new()));
    leader.kill();
    let path = format!("/api/jobs/{job}");
    until(&standby, &path, |response| response.status() == StatusCode::OK).await;
    let ended = standby.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let written = std::fs::read(out.join("means/mean.npy")).unwrap();
    let bits = exact::bits(&standby.result(&job).await);
    assert_eq!(exact::bits(&exact::parse_npy(&written)), bits);

    // The one that took over ends too, before the receiver has answered.
    let first = receiver.next().await;
    assert_eq!(first.verified()["type"], "job.done");
    let third = until_it_passes_on(Child::start(&store, &further).await).await;
    standby.kill();
    let again = receiver.next().await;
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(again.verified(), first.verified());
    until(&third, &path, |response| response.status() == StatusCode::OK).await;
    delivery(&third, &job, "delivered").await;
    assert!(receiver.messages.try_recv().is_err(), "it was delivered once");
    assert_eq!(names(&out), BTreeSet::from(["means/mean.npy".to_owned()]));
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_at_the_server_that_takes_over() {
    const STORED: usize = 1_000_001;
    let folder = tempfile::tempdir().unwrap();
    let (mut leader, standby) = two(folder.path(), &[]).await;
    let whole = content(3_000_001);
    let path = begin(&standby, "in/large.bin", Some(whole.len())).await;
    let stored = put(&standby, &path, 0, &whole[..STORED]).await;
    assert_eq!(stored.headers()["upload-offset"], STORED.to_string().as_str());
    // Another piece is under way when the leader ends.
    let (rest, sent) = (whole.len() - STORED, &whole[STORED..2 * STORED]);
    let hanging = send_beginning(&standby, &format!("{path}?offset={STORED}"), rest, sent).await;
    leader.kill();
    until(&standby, &path, |response| response.status() == StatusCode::OK).await;
    drop(hanging);
    let offset = arrived(&standby, &path).await;
    assert!((STORED..=2 * STORED).contains(&offset), "{offset}");
    let sent = put(&standby, &path, offset, &whole[offset..]).await;
    assert_eq!(sent.headers()["upload-offset"], whole.len().to_string().as_str());
    let finished = finish(&standby, &path, Some(&sha256(&whole))).await;
    assert_eq!(finished.status(), StatusCode::CREATED);
    let there = standby.get("/api/files/in/large.bin").await.bytes().await.unwrap();
    assert!(there == whole, "other bytes");
    standby.stop().await;
}
