//! Tables with a line that names their columns, on the command line and through the JSON API.

use std::fs;

use serde_json::{Value, json};

use super::mean_command::{run_badly, run_well};
use super::running::Running;

const FIRST: &str = "date,temp,rain,note\n2024-01-01,1,0.5,wet\n2024-01-02,2,,dry\n";
/// The same columns in another order, with the line ends and the mark of Excel.
const SECOND: &str =
    "\u{feff}rain,date,note,temp\r\n1.5,2024-01-01,,4\r\n3,2024-01-02,\"dry, windy\",7\r\n";
const MEAN: &str = "temp,rain\n2.5,1.0\n4.5,3.0\n";
const MEAN_WITH_DATES: &str = "date,temp,rain\n2024-01-01,2.5,1.0\n2024-01-02,4.5,3.0\n";

#[test]
fn columns_are_averaged_by_name_and_written_as_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.csv"), FIRST).unwrap();
    fs::write(path.join("b.csv"), SECOND).unwrap();
    let inputs = ["a.csv", "b.csv", "--missing", "skip", "--statistics", "count"];
    for (selection, mean) in [
        (&["--select", "temp,rain"][..], MEAN),
        (&["--select", "!date,!note"], MEAN),
        (&["--select", "!note", "--key", "date"], MEAN_WITH_DATES),
    ] {
        run_well(path, &[&inputs[..], selection, &["--output", "mean.csv"]].concat());
        assert_eq!(fs::read_to_string(path.join("mean.csv")).unwrap(), mean, "{selection:?}");
        let counts = fs::read_to_string(path.join("mean.count.csv")).unwrap();
        assert!(counts.ends_with("2.0,1.0\n"), "{counts}");
        for name in ["mean.csv", "mean.count.csv"] {
            fs::remove_file(path.join(name)).unwrap();
        }
    }
}

#[test]
fn errors_name_the_file_the_line_the_column_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.csv"), FIRST).unwrap();
    fs::write(path.join("b.csv"), SECOND).unwrap();
    fs::write(path.join("c.csv"), "temp,date,note\n1,2024-01-01,\n2,2024-01-03,x\n").unwrap();
    for (arguments, words) in [
        (
            &["a.csv", "--select", "!date"][..],
            &["a.csv: line 2", "\"wet\" in column \"note\"", "!note"][..],
        ),
        (&["a.csv", "--select", "temp,rain"], &["a.csv: line 3", "\"rain\" is missing", "skip"]),
        (&["a.csv", "--select", "snow"], &["a.csv: has no column \"snow\"", "\"temp\", \"rain\""]),
        (
            &["a.csv", "c.csv", "--select", "!date,!note", "--missing", "skip"],
            &["c.csv: has no column \"rain\", which", "a.csv has"],
        ),
        (
            &["a.csv", "b.csv", "c.csv", "--select", "temp", "--key", "date", "--fan-in", "2"],
            &["c.csv: line 3", "\"2024-01-03\" in the key column \"date\"", "row 2: 2024-01-02"],
        ),
        (&["a.csv", "--key", "day"], &["a.csv: has no column \"day\""]),
    ] {
        let error = run_badly(path, &[arguments, &["--output", "mean.csv"]].concat());
        for word in words {
            assert!(error.contains(word), "{arguments:?} gives {error}, where {word} was expected");
        }
        assert!(!path.join("mean.csv").exists());
    }
}

#[test]
fn long_tables_with_keys_are_the_same_by_any_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (rows, files) = (150_000, 7);
    for file in 0..files {
        let mut text = "a,key,b,c\n".to_owned();
        for row in 0..rows {
            // The key of a row is now and then quoted, and of several lines.
            let key =
                if row % 1000 == 7 { format!("\"{row}\nand more\"") } else { row.to_string() };
            text.push_str(&format!("{},{key},{},{}\n", row * file, row + file, file));
        }
        fs::write(path.join(format!("{file}.csv")), text).unwrap();
    }
    let mut means = Vec::new();
    for further in [&["--workers", "1", "--fan-in", "8"][..], &["--workers", "3", "--fan-in", "2"]]
    {
        let arguments =
            [&["?.csv", "--key", "key", "--output", "mean.out.csv"][..], further].concat();
        run_well(path, &arguments);
        means.push(fs::read_to_string(path.join("mean.out.csv")).unwrap());
    }
    assert!(means[0] == means[1]);
    let mean = &means[0];
    assert!(mean.starts_with("key,a,b,c\n0,0.0,3.0,3.0\n1,3.0,4.0,3.0\n"), "{}", &mean[..80]);
    assert!(mean.contains("\n\"149007\nand more\",447021.0,149010.0,3.0\n"));
    assert!(mean.ends_with("\n149999,449997.0,150002.0,3.0\n"), "{}", &mean[mean.len() - 80..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_json_api_takes_and_gives_tables() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("in/a.csv", FIRST).await;
    running.upload("in/b.csv", SECOND).await;
    let request = json!({"inputs": {"prefix": "in"}, "select": ["!note"], "key": "date",
                         "missing": "skip", "header": "yes"});
    let job = running.submit(&request).await;
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{done}");
    assert_eq!(done["result"]["shape"], json!([2, 2]));
    assert_eq!(done["inputs"]["format"], "csv, 2 of 4 columns");
    let csv = running.get(&format!("/api/jobs/{job}/result?format=csv")).await;
    assert_eq!(csv.text().await.unwrap(), MEAN_WITH_DATES);
    assert_eq!(running.result(&job).await, [2.5, 1.0, 4.5, 3.0]);

    let failed = running.failure(&json!({"inputs": {"prefix": "in"}})).await;
    assert!(failed["detail"].as_str().unwrap().contains("column \"date\""), "{failed}");
    for (field, value) in [("select", json!([""])), ("header", json!("maybe")), ("key", json!(""))]
    {
        let mut request = json!({"inputs": {"prefix": "in"}});
        request[field] = value;
        let response = running.post("/api/jobs", &request).await;
        assert_eq!(response.status(), 400, "{field}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["field"], field, "{problem}");
    }
}
