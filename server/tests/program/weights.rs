//! Weighted means, on the command line, through the JSON API and on pages.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::exact;
use super::mean_command::run;
use super::running::Running;

/// Files whose products with their weights cancel, or are beyond the range of `f64`.
const FILES: [(&str, f64, &str); 5] = [
    ("a.csv", 0.1, "1,1e16,1e-300,5.5,nan"),
    ("b.csv", 0.2, "2,-1,2e-300,nan,nan"),
    ("left-out.csv", 0.0, "7,7,7,7,7"),
    ("c.csv", 0.3, "4,-3333333333333333.5,3e300,2.25,nan"),
    ("d.csv", 1e-5, "1000,7,-9e304,nan,nan"),
];
/// By Python's fractions, rounded once.
const MEANS: [f64; 5] =
    [2.8499525007916535, -0.26234798522453007, -8.338781498111214e282, 3.0625, f64::NAN];
const SUMS: [f64; 5] = [1.71, -0.1574114146145703, -5.00335228668171e282, 1.225, f64::NAN];
const COUNTS: [f64; 5] = [4.0, 4.0, 4.0, 2.0, 0.0];

fn table() -> String {
    let lines = FILES.iter().map(|(file, weight, _)| format!("{file},{weight:e}\n"));
    format!("file,weight\n{}", lines.collect::<String>())
}

fn write_files(folder: &Path) {
    fs::create_dir(folder.join("in")).expect("a new folder");
    for (name, _, text) in FILES {
        fs::write(folder.join("in").join(name), text).expect("it can be written");
    }
    fs::write(folder.join("in/weights.csv"), table()).expect("it can be written");
}

#[test]
fn the_command_line_reads_them_from_a_table() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    for (workers, fan_in) in [("1", "2"), ("3", "2"), ("2", "8")] {
        // The table lies among the files.
        let arguments = ["in", "-o", "mean.npy", "--missing", "skip", "--fan-in", fan_in];
        let weights = ["--workers", workers, "--weights", "in/weights.csv"];
        let statistics = ["--statistics", "sum,count"];
        let output = run(folder.path(), &[&arguments[..], &weights, &statistics].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read = |name: &str| exact::parse_npy(&fs::read(folder.path().join(name)).unwrap());
        assert_eq!(exact::bits(&read("mean.npy")), exact::bits(&MEANS));
        assert_eq!(exact::bits(&read("mean.sum.npy")), exact::bits(&SUMS));
        assert_eq!(exact::bits(&read("mean.count.npy")), exact::bits(&COUNTS));
    }
    let plan = run(folder.path(), &["in", "--plan", "--weights", "in/weights.csv"]);
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    let told = "weights   from 1e-5 to 0.3, 1 files with weight 0 left out";
    assert!(plan.contains(told) && plan.contains("inputs    4 files"), "{plan}");
}

#[test]
fn mistakes_in_the_table_are_told_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_files(path);
    for (change, words) in [
        (&["b.csv,2e-1", "b.csv,-2"][..], &["w.csv: line 3: the weight of \"b.csv\" is -2"][..]),
        (&["b.csv,2e-1\n", ""], &["w.csv: the file", "in/b.csv has no weight"]),
        (&["b.csv,2e-1", "b.csv,2e-1\nb.csv,1"], &["\"b.csv\" has two weights (lines 3 and 4)"]),
        (&["b.csv,2e-1", "b.csv,2e-1\ne.csv,0"], &["line 4", "\"e.csv\", which is none"]),
        (&["b.csv,2e-1", "b.csv,NaN"], &["line 3: the weight of \"b.csv\" is NaN"]),
    ] {
        fs::write(path.join("w.csv"), table().replace(change[0], change[1])).unwrap();
        fs::remove_file(path.join("in/weights.csv")).ok();
        let output = run(path, &["in", "-o", "mean.npy", "--weights", "w.csv"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !path.join("mean.npy").exists());
        for word in words {
            assert!(error.contains(word), "{error}, where {word} was expected");
        }
    }
    fs::write(path.join("w.csv"), table()).unwrap();
    for (arguments, word) in [
        (["--weights", "w.csv", "--statistics", "std"], "std is not computed with weights"),
        (["--weights", "none.csv", "--fan-in", "2"], "none.csv"),
    ] {
        let output = run(path, &[&["in", "-o", "mean.npy"][..], &arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(word), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_json_api_takes_an_object_or_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, _, text) in FILES {
        running.upload(&format!("in/{name}"), text).await;
    }
    running.upload("in/weights.csv", table()).await;
    let object: Value =
        FILES.iter().map(|(name, weight, _)| ((*name).to_owned(), json!(weight))).collect();
    let mut inputs = json!({"prefix": "in"});
    for weights in [json!("in/weights.csv"), object] {
        let request = json!({"inputs": inputs, "fan_in": 2, "missing": "skip",
                             "statistics": ["sum", "count"], "weights": weights});
        let job = running.submit(&request).await;
        let done = running.follow(&job).await;
        assert_eq!(done["phase"], "done", "{done}");
        assert_eq!(done["request"]["weights"], weights);
        assert_eq!(done["inputs"]["weights"], json!({"min": 1e-5, "max": 0.3, "left_out": 1}));
        assert_eq!(
            (&done["inputs"]["objects"], &done["result"]["objects"]),
            (&json!(4), &json!(4))
        );
        assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&MEANS));
        let sums = running.get(&format!("/api/jobs/{job}/result?format=csv&statistic=sum")).await;
        assert_eq!(exact::bits(&exact::parse(&sums.text().await.unwrap())), exact::bits(&SUMS));
        let page = running.get_json(&format!("/api/jobs/{job}/inputs")).await;
        let weights: Vec<_> =
            page["inputs"].as_array().unwrap().iter().map(|it| &it["weight"]).collect();
        assert_eq!(weights, [0.1, 0.2, 0.3, 1e-5]);
        let shown = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
        assert!(shown.contains("1e-5 to 0.3; files with weight 0, left out: 1"), "provenance");
        let shown = running.get(&format!("/jobs/{job}/inputs")).await.text().await.unwrap();
        assert!(shown.contains(">Weight<") && shown.contains(">1e-5<"), "{shown}");
        // The same again without the table, which only the first inputs need to skip.
        inputs = json!({"objects": FILES.map(|(name, ..)| format!("in/{name}"))});
    }
    let description = running.get_json("/api/openapi.json").await;
    let schemas = &description["components"]["schemas"];
    for (name, forms) in [("Weights", 2), ("ShownWeights", 3)] {
        assert_eq!(schemas[name]["oneOf"].as_array().map(Vec::len), Some(forms), "{name}");
    }
    assert!(schemas["JobRequest"]["properties"]["weights"].is_object());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_weighted_are_refused_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, _, text) in FILES {
        running.upload(&format!("in/{name}"), text).await;
    }
    let request = |weights: Value| json!({"inputs": {"prefix": "in"}, "weights": weights});
    for (weights, words) in [
        (json!({"a.csv": -1}), "\"a.csv\" is -1"),
        (json!({}), "no file"),
        (json!({"a.csv": "1"}), "a number"),
        (json!(17), "does not name"),
        (json!(""), "the key of a table"),
        (json!([1]), "the key of a table"),
    ] {
        let response = running.post("/api/jobs", &request(weights)).await;
        assert_eq!(response.status(), 400);
        let problem: Value = response.json().await.unwrap();
        assert!(problem["field"].as_str().is_some_and(|it| it.starts_with("weights")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    // Also beside a whole number that is written with a fraction.
    let twice =
        r#"{"inputs": {"prefix": "in"}, "workers": 2.0, "weights": {"a.csv": 1, "a.csv": 2}}"#;
    let request_twice = running.http.post(format!("{}/api/jobs", running.url)).body(twice);
    let response = request_twice.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(response.status(), 400);
    let mut with_std = request(json!({"a.csv": 1}));
    with_std["statistics"] = json!(["std"]);
    let response = running.post("/api/plan", &with_std).await;
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["field"], "statistics", "{problem}");
    // What shows only once the inputs are listed fails the job.
    for (weights, words) in [
        (json!({"a.csv": 1}), "in/b.csv has no weight"),
        (json!({"a.csv": 0, "b.csv": 0, "c.csv": 0, "d.csv": 0, "left-out.csv": 0}), "weight 0"),
        (json!("in/none.csv"), "in/none.csv"),
        (json!("in/a.csv"), "in/a.csv: line 1: 5 columns"),
        (json!("session.key"), "session.key"),
    ] {
        let problem = running.failure(&request(weights)).await;
        assert_eq!(problem["field"], "weights", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_job_keeps_its_weights_and_a_rerun_reads_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    // Planning looks at the first 64 KiB.
    let (ones, twos) = ("1\n".repeat(40_000), "2\n".repeat(40_000));
    running.upload("in/a.csv", ones).await;
    running.upload("in/b.csv", format!("{twos}wrong\n")).await;
    running.upload("w.csv", "a.csv,1\nb.csv,3\n").await;
    let request = json!({"inputs": {"prefix": "in"}, "weights": "w.csv"});
    let job = running.submit(&request).await;
    let failed = running.follow(&job).await;
    assert_eq!(failed["phase"], "failed", "{failed}");
    running.upload("in/b.csv", twos).await;
    running.upload("w.csv", "a.csv,3\nb.csv,1\n").await;
    let resumed = running.post(&format!("/api/jobs/{job}/resume"), &json!({})).await;
    assert_eq!(resumed.status(), 202);
    let done = running.until(&job, |it| it["phase"] == "done").await;
    assert_eq!(done["inputs"]["weights"], json!({"min": 1.0, "max": 3.0, "left_out": 0}));
    assert_eq!(running.result(&job).await, [1.75; 40_000]);
    let again = running.post(&format!("/api/jobs/{job}/rerun"), &json!({})).await;
    let again: Value = again.json().await.unwrap();
    let again = again["id"].as_str().unwrap();
    assert_eq!(running.follow(again).await["request"]["weights"], "w.csv");
    assert_eq!(running.result(again).await, [1.25; 40_000]);
    running.stop().await;
}
