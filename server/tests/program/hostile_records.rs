//! Records that nobody could have written: each fails its own job and no other.

use std::path::Path;

use protocol::{JobId, Timestamp};
use serde_json::{Value, json};

use super::exact;
use super::running::Running;

/// A record that cannot be used.
struct Case {
    file: &'static str,
    bytes: Vec<u8>,
    /// The field that the error names; empty if it is about the whole file.
    field: String,
}

impl Case {
    fn new(file: &'static str, bytes: impl Into<Vec<u8>>, field: &str) -> Case {
        Case { file, bytes: bytes.into(), field: field.to_owned() }
    }
}

/// Values of fields, each with the field that the error names.
fn values() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let most = json!(u64::MAX);
    let plan = [
        ("/plan/segment_columns", json!(0), "plan.segment_columns"),
        ("/plan/segment_columns", json!(-1), "plan.segment_columns"),
        ("/plan/segment_columns", json!(1.5), "plan.segment_columns"),
        ("/plan/segment_columns", json!("many"), "plan.segment_columns"),
        ("/plan/segment_columns", json!(null), "plan.segment_columns"),
        ("/plan/segment_columns", most.clone(), "plan.segment_columns"),
        ("/plan/objects", json!(0), "plan.objects"),
        ("/plan/objects", json!(4), "objects"),
        ("/plan/objects", most.clone(), "plan.levels[0].nodes"),
        ("/plan/columns", json!(0), "plan.columns"),
        ("/plan/columns", most.clone(), "plan.columns"),
        ("/plan/partial_column_bytes", json!(0), "plan.partial_column_bytes"),
        ("/plan/partial_column_bytes", most.clone(), "plan.partial_column_bytes"),
        ("/plan/levels", json!([]), "plan.levels"),
        ("/plan/levels", json!({}), "plan.levels"),
        ("/plan/levels/0", json!(null), "plan.levels[0]"),
        ("/plan/levels/0/nodes", json!(0), "plan.levels[0].nodes"),
        ("/plan/levels/0/nodes", json!(99), "plan.levels[0].nodes"),
        ("/plan/levels/0/nodes", most.clone(), "plan.levels[0].nodes"),
        ("/plan/levels/0/fan_in", json!(0), "plan.levels[0].fan_in"),
        ("/plan/levels/0/fan_in", json!(1), "plan.levels[0].nodes"),
        ("/plan/levels/0/ranges", json!(0), "plan.levels[0].ranges"),
        ("/plan/levels/0/ranges", json!(u32::MAX), "plan.levels"),
        ("/plan/levels/0/range_segments", json!(0), "plan.levels[0].range_segments"),
        ("/plan/levels/0/range_segments", most.clone(), "plan.levels[0].range_segments"),
        ("/plan/levels/1/range_segments", json!(3), "plan.levels[1].range_segments"),
        ("/objects", json!([]), "objects"),
        ("/objects/0/bytes", most.clone(), "objects[0].bytes"),
        ("/objects/1/location", json!(""), "objects[1].location"),
        ("/objects/1/location", json!(7), "objects[1].location"),
        ("/objects/2/version", json!("newest"), "objects[2].version"),
        ("/inputs/columns", json!(7), "inputs.columns"),
        ("/inputs/shape", json!([2, 2]), "inputs.shape"),
        ("/inputs/shape", json!([1_u64 << 40, 1_u64 << 40]), "inputs.shape"),
    ];
    let request = [
        ("/workers", json!(-1), "workers"),
        ("/submitted_at", most, "submitted_at"),
        ("/submitted_at", json!("today"), "submitted_at"),
        ("/request/inputs", json!({"prefix": 1}), "request"),
        ("/request/workers", json!(0), "request"),
        ("/request/fan_in", json!(1), "request"),
    ];
    let report = [
        ("/id", json!(JobId::from_parts(Timestamp::default(), 3)), "id"),
        ("/phase", json!("running"), "phase"),
        ("/plan/segment_columns", json!(0), "plan.segment_columns"),
        ("/result/columns", json!("all"), "result.columns"),
        ("/result/columns", json!(u64::MAX), "result.columns"),
        (
            "/result/figures/quantiles",
            json!(vec![json!({"fraction": 0.5, "value": "1"}); 99]),
            "result.figures.quantiles",
        ),
        ("/result/figures/histogram/low", json!(1e300), "result.figures.histogram.low"),
        ("/result/image", json!({"width": 9, "height": 9, "pixels": []}), "result.image.pixels"),
        ("/result/plot", json!(vec![Value::Null; 1000]), "result.plot"),
    ];
    let of = |file, (pointer, value, field)| (file, pointer, value, field);
    let plan = plan.into_iter().map(|case| of("plan.json", case));
    let request = request.into_iter().map(|case| of("request.json", case));
    plan.chain(request).chain(report.into_iter().map(|case| of("report.json", case))).collect()
}

fn corpus(sound: &Path) -> Vec<Case> {
    let read = |file| std::fs::read(sound.join(file)).expect("a record");
    let mut cases = Vec::new();
    for (file, pointer, value, field) in values() {
        let mut record: Value = serde_json::from_slice(&read(file)).expect("JSON");
        let place = record.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has {pointer}"));
        *place = value;
        cases.push(Case::new(file, record.to_string(), field));
    }
    for file in ["plan.json", "request.json", "report.json"] {
        let whole = read(file);
        for part in 0..16 {
            cases.push(Case::new(file, &whole[..whole.len() * part / 16], ""));
        }
        let nonsense = ["null", "[]", "{}", "7", "\0\0\0\0", "\u{feff}{}", "{\"plan\":"];
        cases.extend(nonsense.map(|nonsense| Case::new(file, nonsense, "")));
        cases.push(Case::new(file, b"{\"\xff\xfe\": 1}".to_vec(), ""));
        cases.push(Case::new(file, "[".repeat(100_000), ""));
        cases.push(Case::new(file, [&whole[..], b"}"].concat(), ""));
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_that_cannot_be_used_fails_its_job_and_the_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path()).await;
    let data = json!({"files": 3, "count": 100, "format": "npy"});
    let request = json!({"inputs": {"generate": data}, "fan_in": 2, "workers": 2});
    let sound = first.submit(&request).await;
    assert_eq!(first.follow(&sound).await["phase"], "done");
    let expected = exact::bits(&first.result(&sound).await);
    first.stop().await;

    let jobs = folder.path().join("jobs");
    let copy = |number: usize| {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let job = JobId::from_parts(at, number as u128).to_string();
        std::fs::create_dir_all(jobs.join(&job)).unwrap();
        std::fs::write(folder.path().join("index").join(&job), "").unwrap();
        for file in ["request.json", "plan.json"] {
            std::fs::copy(jobs.join(&sound).join(file), jobs.join(&job).join(file)).unwrap();
        }
        job
    };
    let cases = corpus(&jobs.join(&sound));
    assert!(cases.len() > 100);
    let hostile: Vec<(String, Case)> =
        cases.into_iter().enumerate().map(|(number, case)| (copy(number), case)).collect();
    for (job, case) in &hostile {
        // But for the id, each is as one of its own job.
        let bytes = match std::str::from_utf8(&case.bytes) {
            Ok(text) => text.replace(&sound, job).into_bytes(),
            Err(_) => case.bytes.clone(),
        };
        std::fs::write(jobs.join(job).join(case.file), bytes).unwrap();
    }
    let going_on = copy(100_000);

    let again = Running::start(folder.path()).await;
    for (job, case) in &hostile {
        let shown = again.get_json(&format!("/api/jobs/{job}")).await;
        assert_eq!(shown["phase"], "failed", "{} {shown}", case.file);
        let detail = shown["error"]["detail"].as_str().unwrap_or_default();
        let key = format!("jobs/{job}/{}", case.file);
        let named = match case.field.is_empty() {
            true => format!("{key} cannot be read"),
            false => format!("{key} cannot be read: field {}", case.field),
        };
        assert!(detail.contains(&named), "{detail:?} has {named:?}");
        assert_eq!(shown["error"]["object"], key.as_str());
    }
    assert_eq!(again.follow(&going_on).await["phase"], "done");
    assert_eq!(exact::bits(&again.result(&going_on).await), expected);
    let deleted = again.http.delete(format!("{}/api/jobs/{}?purge=true", again.url, hostile[0].0));
    assert!(deleted.send().await.unwrap().status().is_success());
    assert!(!jobs.join(&hostile[0].0).exists());
    again.stop().await;
}
