//! Files in the formats of their users, read by ranges from an S3 server.

use serde_json::json;

use super::installation::Installation;
use crate::exact;

/// A file whose variables have chunks in extensible and fixed arrays, with pages, and in a tree:
/// where a chunk lies is read from many small ranges.
const LATEST: &[u8] = include_bytes!("../../../../crates/summation/tests/formats/files/latest.h5");
/// One with groups, coordinates, and packed and compressed numbers.
const NETCDF: &[u8] = include_bytes!("../../../../crates/summation/tests/formats/files/netcdf4.nc");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_in_chunks_are_read_from_s3() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "1"]).await;
    let _worker = installation.worker("a", &[]);
    server.ready(1).await;
    for (key, bytes) in
        [("h/a.h5", LATEST), ("h/b.h5", LATEST), ("n/a.nc", NETCDF), ("n/b.nc", NETCDF)]
    {
        server.upload(key, bytes).await;
    }
    let request = json!({"inputs": {"prefix": "h"}, "select": ["ea", "ea_inner", "bt2", "fa*"]});
    let expected: Vec<f64> = [600, 360, 600, 30, 900]
        .into_iter()
        .flat_map(|length| (0..length).map(|number: u32| f64::from(number % 1000)))
        .collect();
    let mut found = server.mean(&request).await;
    // Variables come in the order of the file, in which each begins with 0 and 1.
    assert_eq!(found.len(), expected.len());
    let mut sorted = expected.clone();
    found.sort_by(f64::total_cmp);
    sorted.sort_by(f64::total_cmp);
    assert_eq!(found, sorted);
    for (name, length) in [("ea_inner", 360_u32), ("fa_pages", 900)] {
        let one = json!({"inputs": {"prefix": "h"}, "select": [name]});
        let expected: Vec<f64> = (0..length).map(|number| f64::from(number % 1000)).collect();
        assert_eq!(server.mean(&one).await, expected, "{name}");
    }
    let job = server.submit(&json!({"inputs": {"prefix": "n"}})).await;
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let part = server.get(&format!("/api/jobs/{job}/result?part=tas")).await;
    let expected: Vec<f64> = (0..60_u8).map(f64::from).collect();
    assert_eq!(exact::parse_npy(&part.bytes().await.unwrap()), expected);
    server.stop().await;
}
