//! Parts of results, at full and at reduced resolution.

use std::io::Cursor;

use serde_json::{Value, json};

use super::exact;
use super::running::Running;

/// The most columns that are read for an envelope.
const READ_MOST: usize = 1 << 22;

/// Runs a job on two files of these numbers; returns its id.
async fn averaged(running: &Running, shape: &str, numbers: &[f64], statistics: Value) -> String {
    for file in ["a", "b"] {
        running.upload(&format!("in/{file}.npy"), exact::to_npy(shape, numbers)).await;
    }
    let request = json!({"inputs": {"prefix": "in/"}, "statistics": statistics});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    job
}

/// What the API calls the extremes of the finite ones of some numbers.
fn point(numbers: &[f64]) -> Value {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    match (finite().reduce(f64::min), finite().reduce(f64::max)) {
        (Some(min), Some(max)) => json!({"min": min, "max": max}),
        _ => Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_and_envelopes_are_those_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut numbers: Vec<f64> = (0..5_000_u32).map(|n| f64::from(n * 7_919 % 1_009)).collect();
    numbers[100..200].fill(f64::NAN);
    (numbers[300], numbers[4_990], numbers[4_991]) = (f64::INFINITY, -0.0, 0.1);
    let job = averaged(&running, "5000,", &numbers, json!(["max"])).await;

    let path = format!("/api/jobs/{job}/values?columns=4990..4993");
    let values = running.get_json(&path).await;
    let last = format!("{:?}", numbers[4_992]);
    let expected = json!({"start": 4990, "columns": 5000, "values": ["-0.0", "0.1", last]});
    assert_eq!(values, expected);
    let lines = running.get(&format!("{path}&format=csv")).await.text().await.unwrap();
    assert_eq!(lines, format!("-0.0\n0.1\n{last}\n"));
    let found = running.get_json(&format!("/api/jobs/{job}/values?columns=199..301")).await;
    assert_eq!(found["values"][0], "nan");
    assert_eq!(found["values"][101], "inf");

    let whole = running.get_json(&format!("/api/jobs/{job}/envelope?points=50")).await;
    let points: Vec<Value> = numbers.chunks(100).map(point).collect();
    assert_eq!(whole["points"], json!(points));
    assert_eq!(whole["points"][1], Value::Null, "only NaN");
    let part = format!("/api/jobs/{job}/envelope?columns=4985..4995&statistic=max");
    let part = running.get_json(&part).await;
    let points: Vec<Value> = numbers[4_985..4_995].chunks(1).map(point).collect();
    assert_eq!(part, json!({"start": 4985, "end": 4995, "columns": 5000, "points": points}));

    for (query, status, told) in [
        ("values?columns=10..5", 400, "not a range"),
        ("values?columns=4990..5001", 400, "no columns 4990 to 5001"),
        ("values?columns=0..10001", 400, "no columns"),
        ("values", 400, "columns"),
        ("values?columns=0..1&statistic=min", 404, "not asked for its min"),
        ("envelope?columns=0..5001", 400, "no columns"),
    ] {
        let refused = running.get(&format!("/api/jobs/{job}/{query}")).await;
        assert_eq!(refused.status(), status, "{query}");
        let problem: Value = refused.json().await.unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{query}: {problem}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_result_that_takes_long_to_read_the_stored_points_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let columns = READ_MOST + 512;
    let numbers: Vec<f64> = (0..columns).map(|n| (n % 1_000) as f64).collect();
    let job = averaged(&running, &format!("{columns},"), &numbers, json!([])).await;
    let stored = running.get_json(&format!("/api/jobs/{job}")).await["result"]["plot"].take();
    let whole = running.get_json(&format!("/api/jobs/{job}/envelope?points=9")).await;
    assert_eq!(whole["points"], stored);
    // All but the first point's columns: too many, and what is told says which they are.
    let begin = columns.div_ceil(512);
    let part = format!("/api/jobs/{job}/envelope?columns={begin}..{columns}&points=9");
    assert!(columns - begin <= READ_MOST, "this part is read");
    assert_eq!(running.get_json(&part).await["points"].as_array().unwrap().len(), 9);
    let part = format!("/api/jobs/{job}/envelope?columns=9..{columns}&points=9");
    let part = running.get_json(&part).await;
    assert_eq!((&part["start"], &part["end"]), (&json!(0), &json!(columns)));
    assert_eq!(part["points"], stored);
    let refused = running.get(&format!("/api/jobs/{job}/values?columns=0..{columns}")).await;
    assert_eq!(refused.status(), 400);
    running.stop().await;
}

/// The pixels of an image of the API, as the shades that its palette has.
async fn shades(running: &Running, path: &str) -> (u32, u32, Vec<u8>) {
    let response = running.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(response.headers()["content-type"], "image/png");
    let file = response.bytes().await.expect("bytes");
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().expect("a header");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("a picture");
    assert_eq!(frame.color_type, png::ColorType::Indexed);
    pixels.truncate(frame.buffer_size());
    (frame.width, frame.height, pixels)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_show_the_part_that_is_asked_for_in_the_range_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut numbers: Vec<f64> = (0..200).map(f64::from).collect();
    numbers[43] = f64::NAN;
    let job = averaged(&running, "10, 20", &numbers, json!(["max"])).await;
    let path = format!("/api/jobs/{job}/image.png");
    // Level n + 1 is number n.
    let part = format!("{path}?rows=2..4&columns=2..5&low=0&high=254");
    assert_eq!(shades(&running, &part).await, (3, 2, vec![43, 0, 45, 63, 64, 65]));
    let of_maximum = format!("{part}&statistic=max");
    assert_eq!(shades(&running, &of_maximum).await.2, [43, 0, 45, 63, 64, 65]);
    let (width, height, whole) = shades(&running, &path).await;
    assert_eq!((width, height, whole[0], whole[199]), (20, 10, 1, 255));
    for (query, told) in [
        ("rows=2..11", "no rows 2..11"),
        ("rows=3..3", "no rows 3..3"),
        ("columns=0..21", "columns 0..21"),
        ("low=2&high=1", "range of the colours"),
        ("low=NaN&high=1", "range of the colours"),
    ] {
        let refused = running.get(&format!("{path}?{query}")).await;
        assert_eq!(refused.status(), 400, "{query}");
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(told), "{query}: {problem}");
    }

    // Without dimensions there is none.
    let line = averaged(&running, "200,", &numbers, json!([])).await;
    let refused = running.get(&format!("/api/jobs/{line}/image.png")).await;
    assert_eq!(refused.status(), 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_stored_with_the_result_and_older_results_say_why_they_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut numbers: Vec<f64> = (0..1_000_u32).map(|n| f64::from(n * 7 % 1_000)).collect();
    (numbers[3], numbers[4]) = (f64::NAN, f64::NEG_INFINITY);
    let job = averaged(&running, "1000,", &numbers, json!(["max"])).await;
    let result = running.get_json(&format!("/api/jobs/{job}")).await["result"].take();
    let figures = &result["figures"];
    assert_eq!((&figures["nan"], &figures["infinite"]), (&json!(1), &json!(1)));
    assert_eq!((&figures["min_index"], &figures["max_index"]), (&json!(4), &json!(857)));
    assert_eq!(figures["sampled"], 1_000);
    assert_eq!(figures["quantiles"][4], json!({"fraction": 0.5, "value": "500.0"}));
    assert_eq!(result["summaries"][0]["figures"], *figures, "equal inputs have equal maxima");

    // The record of an earlier version has none.
    running.stop().await;
    let record = folder.path().join(format!("jobs/{job}/report.json"));
    let mut report: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    for summary in ["/result", "/result/summaries/0"] {
        report.pointer_mut(summary).unwrap().as_object_mut().unwrap().remove("figures").unwrap();
    }
    std::fs::write(&record, report.to_string()).unwrap();
    let running = Running::start(folder.path()).await;
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("An earlier version wrote this result"), "{page}");
    assert!(page.contains("-inf"), "the extremes are known");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_compared_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let numbers: Vec<f64> = (0..300_000_u32).map(|n| f64::from(n % 1_000)).collect();
    let mut changed = numbers.clone();
    changed[200_001] += 0.5;
    changed[200_002] -= 2.5;
    changed[0] = -0.0;
    changed[7] = f64::NAN;
    let one = averaged(&running, "300, 1000", &numbers, json!(["max"])).await;
    let again = averaged(&running, "300, 1000", &numbers, json!(["max"])).await;
    let other = averaged(&running, "300, 1000", &changed, json!([])).await;
    let line = averaged(&running, "300000,", &numbers, json!([])).await;
    let compare = |other: &str| format!("/api/jobs/{one}/compare/{other}");

    let equal = running.get_json(&compare(&again)).await;
    assert_eq!((&equal["differing"], &equal["by_hash"]), (&json!(0), &json!(true)));
    let different = running.get_json(&compare(&other)).await;
    assert_eq!(different["differing"], 4);
    assert_eq!(different["without_difference"], 1);
    let greatest = json!({"index": 200_002, "difference": "2.5", "first": "2.0", "second": "-0.5"});
    assert_eq!(different["greatest"], greatest);
    assert_eq!(different["points"].as_array().unwrap().len(), 512);
    assert_eq!(different["image"]["width"], 192);
    assert_eq!(running.get_json(&compare(&other)).await, different, "and again, as it is kept");
    let equal = running.get_json(&format!("{}?statistic=max", compare(&again))).await;
    assert_eq!(equal["differing"], 0);
    for (path, status, told) in [
        (compare(&line), 409, "shapes [300, 1000] and [300000]"),
        (format!("{}?statistic=max", compare(&other)), 404, "not asked for its max"),
        (compare("01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404, "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        (compare("nonsense"), 404, "nonsense"),
    ] {
        let refused = running.get(&path).await;
        assert_eq!(refused.status(), status, "{path}");
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(told), "{path}: {problem}");
    }

    // The page, with and without a job to compare with.
    let page = running.get(&format!("/jobs/{one}/compare/{other}")).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("Not equal: 4 of 300\u{202f}000"), "{page}");
    let page = running.get(&format!("/jobs/{one}/compare")).await.text().await.unwrap();
    for (job, is_there) in [(&one, false), (&again, true), (&other, true), (&line, false)] {
        assert_eq!(page.contains(&format!("value=\"{job}\"")), is_there, "{job}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_shows_everything_and_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let numbers: Vec<f64> = (0..2_400).map(f64::from).collect();
    let job = averaged(&running, "40, 60", &numbers, json!(["std"])).await;
    let response = running.get(&format!("/api/jobs/{job}/report.html")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let disposition = format!("attachment; filename=\"{job}.html\"");
    assert_eq!(response.headers()["content-disposition"], disposition.as_str());
    let report = response.text().await.unwrap();
    let snapshot = running.get_json(&format!("/api/jobs/{job}")).await;
    let hash = snapshot["result"]["file"]["sha256"].as_str().unwrap();
    for told in [
        "<!DOCTYPE html>",
        hash,
        "Result: standard deviation",
        "Median",
        "Attempts over time",
        "in/a.npy",
        "Provenance",
        "What happened",
        "data:image/png;base64,",
    ] {
        assert!(report.contains(told), "{told}");
    }
    // Nothing in it makes a browser ask for anything.
    for loading in ["<script", "<link", "src=\"/", "src=\"http", "@import", "url(", "<iframe"] {
        assert!(!report.contains(loading), "{loading}");
    }
    let refused = running.get("/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/report.html").await;
    assert_eq!(refused.status(), 404);
    // The result of one dimension, and a job that has failed.
    let line = averaged(&running, "2400,", &numbers, json!([])).await;
    let report = running.get(&format!("/api/jobs/{line}/report.html")).await.text().await.unwrap();
    assert!(report.contains("Plot of the mean at 2\u{202f}400"), "a plot");
    let failed = running.submit(&json!({"inputs": {"prefix": "none/"}})).await;
    running.follow(&failed).await;
    let report = running.get(&format!("/api/jobs/{failed}/report.html")).await;
    assert_eq!(report.status(), 200);
    let report = report.text().await.unwrap();
    assert!(report.contains("failed") && report.contains("none/"), "why it failed");
    running.stop().await;
}
