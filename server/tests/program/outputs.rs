//! Results that are also written where requests want them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platform::faults::{FaultRates, Faults, FaultyStore};
use platform::{ObjectStore, backends};
use protocol::JobSnapshot;
use protocol::problem::ProblemKind;
use serde_json::{Value, json};
use server::outputs::Outputs;

use super::client::Client;
use super::exact;
use super::running::Running;

/// Every call fails.
const AWAY: FaultRates = FaultRates {
    fail_every: 1,
    lose_answer_every: 0,
    slow_every: 0,
    slow_by: Duration::ZERO,
    duplicate_every: 0,
};

pub(super) fn location(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

pub(super) fn allowed(folder: &Path) -> String {
    format!("--allow-outputs={}", location(folder))
}

fn request(location: &str) -> Value {
    json!({
        "inputs": {"generate": {"files": 4, "count": 300, "format": "csv", "seed": 5}},
        "statistics": ["std"],
        "output": {"location": location},
    })
}

/// The names of all files below a folder, also of hidden ones.
pub(super) fn names(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(names(&path).iter().map(|below| format!("{name}/{below}"))),
            false => drop(found.insert(name)),
        }
    }
    found
}

async fn download(client: &Client, job: &str, query: &str) -> Vec<u8> {
    let response = client.get(&format!("/api/jobs/{job}/result?{query}")).await;
    assert_eq!(response.status(), 200, "{query}");
    response.bytes().await.expect("bytes").to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_written_in_each_format_before_the_job_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let running = Running::start_with(&folder.path().join("store"), &[&allowed(&out)]).await;
    let mut request = request(&format!("{}/means/today/", location(&out)));
    request["output"]["formats"] =
        json!(["raw", "npy", "csv", "json", "csv", "netcdf", "safetensors"]);
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let mut expected = BTreeSet::new();
    for statistic in ["std", "mean"] {
        for (format, extension) in [
            ("npy", "npy"),
            ("csv", "csv"),
            ("json", "json"),
            ("raw", "f64"),
            ("safetensors", "safetensors"),
            ("netcdf", "nc"),
        ] {
            let asked = if statistic == "mean" { "" } else { "&statistic=std" };
            let there = std::fs::read(out.join(format!("means/today/{statistic}.{extension}")));
            let sent = download(&running, &job, &format!("format={format}{asked}")).await;
            assert_eq!(there.unwrap(), sent, "{statistic} as {format}");
            expected.insert(format!("means/today/{statistic}.{extension}"));
        }
    }
    // Nothing else is there, and the job tells where they are, the mean last.
    assert_eq!(names(&out), expected);
    let told: Vec<&str> =
        ended["result"]["outputs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let told_names = told.iter().filter_map(|it| it.strip_prefix(&format!("{}/", location(&out))));
    assert_eq!(told_names.map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    assert!(told.last().unwrap().ends_with("/mean.nc"), "{told:?}");
    // Others may read them, as far as the mask of the process lets them.
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions())
    };
    let ordinary = folder.path().join("ordinary");
    std::fs::write(&ordinary, "").unwrap();
    assert_eq!(mode(&out.join("means/today/mean.npy")), mode(&ordinary));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_replaced_only_on_request_and_refused_before_work_begins() {
    let folder = tempfile::tempdir().unwrap();
    let (out, store) = (folder.path().join("out"), folder.path().join("store"));
    std::fs::create_dir_all(out.join("old")).unwrap();
    std::fs::write(out.join("old/std.npy"), "mine").unwrap();
    std::fs::write(out.join("file"), "mine").unwrap();
    let flags = [allowed(&out), format!("--allow-inputs={}", location(&out))];
    let running = Running::start_with(&store, &[&flags[0], &flags[1]]).await;
    let before = names(&out);
    // What is in the way, and a folder that is a file.
    for (place, status) in [("old", 409), ("file", 409), ("file/below", 409)] {
        let job = running.submit(&request(&format!("{}/{place}", location(&out)))).await;
        let ended = running.follow(&job).await;
        assert_eq!((&ended["phase"], &ended["plan"]), (&json!("failed"), &Value::Null), "{place}");
        let error = &ended["error"];
        assert_eq!(
            (&error["status"], &error["field"]),
            (&json!(status), &json!("output.location"))
        );
    }
    assert_eq!(names(&out), before, "nothing is left behind");
    assert_eq!(std::fs::read(out.join("old/std.npy")).unwrap(), b"mine");
    let mut replacing = request(&format!("{}/old", location(&out)));
    replacing["output"]["overwrite"] = json!(true);
    let job = running.submit(&replacing).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    let there = std::fs::read(out.join("old/std.npy")).unwrap();
    assert_eq!(there, download(&running, &job, "format=npy&statistic=std").await);

    // An input of the same job is not replaced, under whatever name.
    std::fs::create_dir(out.join("in")).unwrap();
    let bytes = exact::to_npy("2,", &[1.0, 2.0]);
    std::fs::write(out.join("in/mean.npy"), &bytes).unwrap();
    std::fs::create_dir(out.join("linked")).unwrap();
    std::fs::hard_link(out.join("in/mean.npy"), out.join("linked/mean.npy")).unwrap();
    for place in ["in", "linked"] {
        let mut request = json!({"inputs": {"prefix": format!("{}/in/", location(&out))}});
        let place = format!("{}/{place}", location(&out));
        request["output"] = json!({"location": place, "overwrite": true});
        let error = running.failure(&request).await;
        assert_eq!(error["status"], 409, "{error}");
        assert!(error["detail"].as_str().unwrap().contains("input of the job"), "{error}");
    }
    assert_eq!(std::fs::read(out.join("in/mean.npy")).unwrap(), bytes);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_location_that_is_not_allowed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let store = out.join("store");
    std::fs::create_dir(&out).unwrap();
    let running = Running::start_with(&store, &[&allowed(&out)]).await;
    std::os::unix::fs::symlink(&store, out.join("link")).unwrap();
    for place in [
        format!("{}/store/jobs", location(&out)),
        format!("{}/store", location(&out)),
        format!("{}/link/uploads", location(&out)),
        location(folder.path()),
        "s3://bucket/means".to_owned(),
        "http://example.com/".to_owned(),
    ] {
        for path in ["/api/jobs", "/api/plan"] {
            let refused = running.post(path, &request(&place)).await;
            assert_eq!(refused.status(), 403, "{place}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["field"], "output.location");
            assert!(problem["remedy"].as_str().unwrap().contains("--allow-outputs"), "{problem}");
        }
    }
    let upwards = format!("{}/../out", location(&out));
    for (place, status) in [(upwards.as_str(), 400), ("means/", 400)] {
        assert_eq!(running.post("/api/jobs", &request(place)).await.status(), status, "{place}");
    }
    // The form has the field, too.
    let page = running.get("/").await.text().await.unwrap();
    assert!(page.contains("form[location]"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_does_not_answer_holds_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let faults = Arc::new(Faults::at(AWAY));
    let injected = faults.clone();
    let faulty =
        move |store| Arc::new(FaultyStore::new(store, injected.clone())) as Arc<dyn ObjectStore>;
    let running = Running::start_on(
        &folder.path().join("store"),
        &[&allowed(&out)],
        |store| store,
        |parts| parts.outputs = Outputs(parts.outputs.0.clone().with_each(faulty)),
    )
    .await;
    let is_held = |job: &Value| job["outage"]["part"] == "store";
    // Long enough to be seen running.
    let paced = |place: &str| {
        let mut request = request(place);
        request["paced"] = json!(true);
        request["fan_in"] = json!(2);
        request
    };
    let job = running.submit(&paced(&location(&out))).await;
    let held = running.until(&job, is_held).await;
    assert_eq!(held["phase"], "listing", "{held}");
    faults.set(FaultRates::default());
    running.until(&job, |job| job["phase"] == "running").await;
    faults.set(AWAY);
    let held = running.until(&job, |job| is_held(job) && job["phase"] == "finishing").await;
    assert!(held["outage"]["reason"].as_str().unwrap().contains("std.npy"), "{held}");
    faults.set(FaultRates::default());
    let ended = running.follow(&job).await;
    assert_eq!((&ended["phase"], &ended["outage"]), (&json!("done"), &Value::Null));
    let there = std::fs::read(out.join("mean.npy")).unwrap();
    assert_eq!(there, download(&running, &job, "format=npy").await);

    // A job that is held can be cancelled.
    let place = format!("{}/other", location(&out));
    let job = running.submit(&paced(&place)).await;
    running.until(&job, |job| job["phase"] == "running").await;
    faults.set(AWAY);
    running.until(&job, |job| is_held(job) && job["phase"] == "finishing").await;
    let cancel = running.http.delete(format!("{}/api/jobs/{job}", running.url));
    assert_eq!(cancel.send().await.unwrap().status(), 202);
    assert_eq!(running.follow(&job).await["phase"], "cancelled");
    assert!(!out.join("other").exists());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_a_crash_is_recognized_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let (out, store) = (folder.path().join("out"), folder.path().join("store"));
    std::fs::create_dir(&out).unwrap();
    let running = Running::start_with(&store, &[&allowed(&out)]).await;
    let job = running.submit(&request(&location(&out))).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    let shown: JobSnapshot =
        serde_json::from_value(running.get_json(&format!("/api/jobs/{job}")).await).unwrap();
    // As a server does that was killed between the outputs and the report of the job.
    let place: platform::OutputPlace = location(&out).parse().unwrap();
    let outputs = Outputs(backends::outputs("file:///none/", &[place]).await.unwrap());
    let own = backends::folder(&store).open().await.unwrap();
    let written = outputs.write(&own, &shown).await.unwrap();
    assert_eq!(written.len(), 2);
    std::fs::remove_file(out.join("mean.npy")).unwrap();
    outputs.write(&own, &shown).await.unwrap();
    assert!(out.join("mean.npy").exists());
    let whole = std::fs::read(out.join("std.npy")).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], b"x"].concat();
    for there in [&other[..], &longer, &whole[..whole.len() - 1], b""] {
        std::fs::write(out.join("std.npy"), there).unwrap();
        let problem = outputs.write(&own, &shown).await.unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Conflict, "{problem}");
        assert_eq!(std::fs::read(out.join("std.npy")).unwrap(), there);
    }
    running.stop().await;
}
