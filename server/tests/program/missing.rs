//! Missing values: left out, an error, or NaN, on the command line, through the JSON API
//! and on pages.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::exact;
use super::running::Running;

/// Three files, in which one, two and all values of an index are missing.
const FILES: [&str; 3] = ["1,nan,nan,4", "2,8,NaN,nan", "6,nan,nan,5.5"];
const MEANS: [f64; 4] = [3.0, 8.0, f64::NAN, 4.75];
const COUNTS: [f64; 4] = [3.0, 1.0, 0.0, 2.0];
const DEVIATIONS: [f64; 4] = [2.160246899469287, 0.0, f64::NAN, 0.75];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distributed-average"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn write_files(folder: &Path) {
    std::fs::create_dir(folder.join("in")).expect("a new folder");
    for (file, text) in FILES.iter().enumerate() {
        std::fs::write(folder.join(format!("in/{file}.csv")), text).expect("it can be written");
    }
}

#[test]
fn the_command_line_leaves_them_out_and_counts_the_others() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    for fan_in in ["2", "8"] {
        let arguments = ["mean", "in", "-o", "mean.npy", "--missing", "skip", "--fan-in", fan_in];
        let output =
            run(folder.path(), &[&arguments[..], &["--statistics", "count,std,min"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read = |name: &str| exact::parse_npy(&std::fs::read(folder.path().join(name)).unwrap());
        assert_eq!(exact::bits(&read("mean.npy")), exact::bits(&MEANS));
        assert_eq!(read("mean.count.npy"), COUNTS);
        assert_eq!(exact::bits(&read("mean.std.npy")), exact::bits(&DEVIATIONS));
        assert_eq!(exact::bits(&read("mean.min.npy")), exact::bits(&[1.0, 8.0, f64::NAN, 4.0]));
    }
    let output = run(folder.path(), &["mean", "in", "-o", "-"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3.0\nnan\nnan\nnan\n", "by default");
}

#[test]
fn an_error_names_the_file_and_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let (name, number) = (path.join("in/1"), exact::to_npy("3000,", &[0.5; 3000]));
    let mut holed = [0.5; 3000];
    holed[2222] = f64::NAN;
    let forms = [
        ("text", b"1,2,nan\n".to_vec(), b"1,2,3\n".to_vec(), 2),
        ("npy", exact::to_npy("3000,", &holed), number, 2222),
    ];
    for (form, with, without, index) in forms {
        let _ = std::fs::remove_dir_all(path.join("in"));
        std::fs::create_dir(path.join("in")).unwrap();
        for file in 0..4 {
            let bytes = if file == 1 { &with } else { &without };
            std::fs::write(path.join(format!("in/{file}")), bytes).unwrap();
        }
        let output = run(&path, &["mean", "in", "-o", "mean.npy", "--missing", "error"]);
        assert!(!output.status.success(), "{form}");
        let error = String::from_utf8_lossy(&output.stderr);
        let expected = format!("{}: the value at index {index} is missing", name.display());
        assert!(error.contains(&expected) && error.contains("skip"), "{form}: {error}");
    }
}

#[test]
fn an_error_names_the_index_in_an_array_of_the_other_order() {
    let folder = tempfile::tempdir().unwrap();
    // Its second row, in Fortran order, is 2, nan, 6.
    let in_c = exact::to_npy("2, 3", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let turned = exact::to_npy("2, 3", &[1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0]);
    let place = turned.windows(5).position(|word| word == b"False").unwrap();
    let in_fortran = [&turned[..place], b"True ", &turned[place + 5..]].concat();
    std::fs::write(folder.path().join("a.npy"), in_c).unwrap();
    std::fs::write(folder.path().join("b.npy"), in_fortran).unwrap();
    let inputs = ["mean", "a.npy", "b.npy", "-o", "-"];
    let output = run(folder.path(), &[&inputs[..], &["--missing", "error"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("b.npy: the value at index 4 is missing"), "{error}");
    let output = run(folder.path(), &[&inputs[..], &["--missing", "skip"]].concat());
    let printed = exact::parse(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(printed, [1.0, 2.5, 4.0, 3.0, 5.0, 6.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_json_api_takes_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (file, text) in FILES.iter().enumerate() {
        running.upload(&format!("in/{file}.csv"), *text).await;
    }
    let request = |missing: &str| {
        json!({"inputs": {"prefix": "in"}, "fan_in": 2, "missing": missing,
               "statistics": ["count"]})
    };
    let job = running.submit(&request("skip")).await;
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{done}");
    assert_eq!(done["request"]["missing"], "skip");
    assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&MEANS));
    let counts = running.get(&format!("/api/jobs/{job}/result?format=csv&statistic=count")).await;
    assert_eq!(exact::parse(&counts.text().await.unwrap()), COUNTS);
    let mut bytes = Vec::new();
    for missing in ["skip", "propagate"] {
        let response = running.post("/api/plan", &request(missing)).await;
        let plan: Value = response.json().await.unwrap();
        bytes.push(plan["plan"]["partial_column_bytes"].as_u64().unwrap());
    }
    assert_eq!(bytes[0] - bytes[1], 8);

    let problem = running.failure(&request("error")).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("is missing (NaN)"), "{detail}");
    assert!(problem["object"].as_str().unwrap().starts_with("in/"), "{problem}");

    let response = running.post("/api/jobs", &request("ignore")).await;
    assert_eq!(response.status(), 400);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["field"], "missing", "{problem}");

    let home = running.get("/").await.text().await.unwrap();
    assert!(home.contains("name=\"form[missing]\""), "the form has the field");
    let description = running.get_json("/api/openapi.json").await;
    let described = &description["components"]["schemas"]["Missing"]["enum"];
    assert_eq!(*described, json!(["propagate", "skip", "error"]));
}
