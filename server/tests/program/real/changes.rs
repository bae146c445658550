//! Objects in S3 that change while a job runs.

use bytes::Bytes;
use platform::ObjectStore;
use platform::store::s3::{S3Access, S3Store};
use serde_json::json;
use testbed::Process;

use super::installation::{Installation, Server};
use crate::exact;

const NUMBERS: usize = 20_000;

fn array(numbers: usize, value: f64) -> Vec<u8> {
    exact::to_npy(&format!("{numbers},"), &vec![value; numbers])
}

/// The key of an object.
fn key(folder: &str, file: usize) -> String {
    format!("{folder}/{file:02}.npy")
}

/// Begins to average objects one after the other; returns the job once the first of
/// them have been summed, and the key of the one that is read last. The worker is frozen
/// then, so that it has not read that one.
async fn begin(
    server: &Server,
    worker: &Process,
    (files, numbers): (usize, usize),
) -> (String, String) {
    let folder = format!("{files}-of-{numbers}");
    for file in 0..files {
        server.upload(&key(&folder, file), array(numbers, 1.0)).await;
    }
    let request = json!({"inputs": {"prefix": folder}, "fan_in": 2, "workers": 1,
        "speculation": {"enabled": false}});
    let job = server.submit(&request).await;
    server.until(&job, |job| job["progress"][0]["completed"].as_u64() > Some(0)).await;
    worker.freeze();
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    let leaves = &now["progress"][0];
    assert!(leaves["completed"].as_u64() < leaves["tasks"].as_u64(), "too late: {leaves}");
    (job, key(&folder, files - 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_an_object_in_s3_during_a_job_fails_it_by_name() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "1"]).await;
    let worker = installation.worker("a", &["--slowness", "40"]);
    server.ready(1).await;
    let store = store(&installation).await;
    let bytes = array(NUMBERS, 1.0).len();
    let longer = array(NUMBERS + 1, 1.0);
    // Larger than a part of a multipart upload.
    let large = (9 << 20) / 8;
    for (files, numbers, content, told) in [
        (12, NUMBERS, Some(array(NUMBERS, 2.0)), "its ETag was".to_owned()),
        (12, NUMBERS, Some(longer.clone()), format!("was {bytes} bytes and is {}", longer.len())),
        (12, NUMBERS, Some(vec![0; 100]), format!("was {bytes} bytes and is 100")),
        (12, NUMBERS, None, "it was deleted".to_owned()),
        (6, large, Some(array(large, 2.0)), "its ETag was".to_owned()),
    ] {
        let (job, last) = begin(&server, &worker, (files, numbers)).await;
        match content {
            Some(content) => {
                let mut upload = store.upload(&last).await.expect("upload");
                upload.write(Bytes::from(content)).await.expect("write");
                upload.finish().await.expect("finish");
            }
            None => store.delete(&last).await.expect("delete"),
        }
        worker.thaw();
        let ended = server.follow(&job).await;
        assert_eq!(ended["phase"], "failed", "not a mean of two versions: {ended}");
        let error = &ended["error"];
        assert_eq!(error["type"], "input-changed", "{error}");
        assert_eq!(error["object"], last, "{error}");
        assert!(error["detail"].as_str().unwrap().contains(&told), "{told}: {error}");
        assert_eq!(ended["attempts"]["failed"], 1, "no retries: {ended}");
    }
    // The same content again is no change, and nothing else was taken for one.
    let (job, last) = begin(&server, &worker, (12, NUMBERS)).await;
    server.upload(&last, array(NUMBERS, 1.0)).await;
    worker.thaw();
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    server.stop().await;
}

/// The store of an installation.
async fn store(installation: &Installation) -> S3Store {
    let variable = |name: &str| installation.variable(name).expect("a variable").to_owned();
    let access = S3Access {
        endpoint: Some(variable("AWS_ENDPOINT_URL")),
        credentials: Some((variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))),
        ..S3Access::default()
    };
    let location = format!("s3://testbed/{}", installation.name());
    S3Store::open_as(&location.parse().expect("a location"), access).await
}
