//! The types of the numbers of .npy results.

use std::fs;

use serde_json::{Value, json};

use super::exact;
use super::mean_command::{run_badly, run_well};
use super::running::Running;

/// The mean of these two is 1 + 2^-11 + 2^-53, just above the middle of two numbers of half
/// precision. As `f64` it is that middle, which would be rounded to even, down.
const ABOVE_A_MIDDLE: [f64; 2] = [1.0 + 1.0 / 2048.0, 1.0 + 1.0 / 2048.0 + f64::EPSILON];

/// The description of an array in its header, and its numbers.
fn parse(npy: &[u8]) -> (String, Vec<u8>) {
    let length = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let text = String::from_utf8(npy[10..10 + length].to_vec()).expect("text");
    (text, npy[10 + length..].to_vec())
}

/// An array of two 16-bit integers.
fn integers(numbers: [i16; 2]) -> Vec<u8> {
    let header = "{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend(118_u16.to_le_bytes());
    npy.extend(format!("{header:117}\n").bytes());
    npy.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    npy
}

#[test]
fn numbers_are_rounded_once_to_the_type_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, first, integer) in
        [("a", ABOVE_A_MIDDLE[0], [1, 2]), ("b", ABOVE_A_MIDDLE[1], [2, 2])]
    {
        fs::write(path.join(format!("{name}.npy")), exact::to_npy("2,", &[first, 5.5])).unwrap();
        fs::write(path.join(format!("{name}.i.npy")), integers(integer)).unwrap();
        fs::write(path.join(format!("{name}.csv")), "1.5\n2.5\n").unwrap();
    }
    let of = |inputs: [&str; 2], dtype: &str| {
        run_well(path, &[&inputs[..], &["--dtype", dtype, "-o", "m.npy"]].concat());
        parse(&fs::read(path.join("m.npy")).unwrap())
    };
    let halves = |bits: [u16; 2]| bits.map(u16::to_le_bytes).concat();
    let (text, numbers) = of(["a.npy", "b.npy"], "f16");
    assert!(text.contains("'<f2'") && text.contains("(2,)"), "{text}");
    assert_eq!(numbers, halves([0x3c01, 0x4580]));
    let (text, numbers) = of(["a.npy", "b.npy"], "f32");
    assert!(text.contains("'<f4'"), "{text}");
    assert_eq!(numbers, [1.000_488_3_f32, 5.5].map(f32::to_le_bytes).concat());
    for dtype in ["f64", "input"] {
        assert!(of(["a.npy", "b.npy"], dtype).0.contains("'<f8'"), "{dtype}");
        assert!(of(["a.csv", "b.csv"], dtype).0.contains("'<f8'"), "{dtype}");
    }
    // Ties of integers go to even; a statistic need not be one.
    let integers = ["a.i.npy", "b.i.npy", "--statistics", "range"];
    run_well(path, &[&integers[..], &["--dtype", "input", "-o", "m.npy"]].concat());
    let (text, numbers) = parse(&fs::read(path.join("m.npy")).unwrap());
    assert!(text.contains("'<i2'"), "{text}");
    assert_eq!(numbers, [2, 0, 2, 0]);
    let range = exact::parse_npy(&fs::read(path.join("m.range.npy")).unwrap());
    assert_eq!(range, [1.0, 0.0]);
    let (text, numbers) = of(["a.csv", "b.csv"], "f16");
    assert!(text.contains("'<f2'"), "{text}");
    assert_eq!(numbers, halves([0x3e00, 0x4100]));
    let error = run_badly(path, &["a.npy", "--dtype", "bf16", "-o", "m.npy"]);
    assert!(error.contains(".npy has no numbers of type bf16"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_is_asked_for_and_downloaded_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, first) in ["a.npy", "b.npy"].into_iter().zip(ABOVE_A_MIDDLE) {
        running.upload(&format!("in/{name}"), exact::to_npy("2, 1", &[first, 5.5])).await;
    }
    let request = json!({"inputs": {"prefix": "in"}, "output": {"dtype": "f16"},
        "statistics": ["max"]});
    let plan: Value = running.post("/api/plan", &request).await.json().await.unwrap();
    assert_eq!(plan["inputs"]["dtype"], "f8", "{plan}");
    assert_eq!(plan["inputs"]["result_dtype"], "f2", "{plan}");
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let path = format!("/api/jobs/{job}/result");
    let npy = running.get(&path).await.bytes().await.unwrap();
    assert_eq!(ended["result"]["npy"]["bytes"], npy.len());
    let (text, numbers) = parse(&npy);
    assert!(text.contains("'<f2'") && text.contains("(2, 1)"), "{text}");
    assert_eq!(numbers, [0x01, 0x3c, 0x80, 0x45]);
    let max = running.get(&format!("{path}?statistic=max")).await.bytes().await.unwrap();
    assert!(parse(&max).0.contains("'<f2'"));
    let csv = running.get(&format!("{path}?format=csv")).await.text().await.unwrap();
    assert_eq!(exact::parse(&csv), [1.0 + 1.0 / 2048.0, 5.5], "other formats have f64");
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("format=npy"), "{page}");

    // Generated data too.
    let request = json!({"inputs": {"generate": {"files": 2, "count": 3, "format": "npy", "seed": 1}},
        "output": {"dtype": "f32"}});
    let job = running.submit(&request).await;
    running.follow(&job).await;
    let path = format!("/api/jobs/{job}/result");
    let npy = running.get(&path).await.bytes().await.unwrap();
    assert_eq!(parse(&npy).1.len(), 12);
    // Some columns, as f64.
    let raw = running.get(&format!("{path}?format=raw")).await.bytes().await.unwrap();
    assert_eq!(raw.len(), 24);
    let slice = running.get(&format!("{path}?columns=1..3")).await;
    let tag = slice.headers()["etag"].clone();
    let (text, numbers) = parse(&slice.bytes().await.unwrap());
    assert!(text.contains("'<f8'") && text.contains("(2,)"), "{text}");
    assert_eq!(numbers, raw[8..]);
    let some = running.get(&format!("{path}?columns=0..1&format=raw")).await;
    assert_ne!(some.headers()["etag"], tag);
    assert_eq!(some.bytes().await.unwrap(), raw[..8]);
    let none: Value = running.get_json(&format!("{path}?columns=3..3&format=json")).await;
    assert_eq!((&none["start"], &none["mean"]), (&json!(3), &json!([])));
    for (query, status, words) in [
        ("columns=1..4", 400, "there are no columns 1 to 4"),
        ("columns=2..1", 400, "is not a range of columns"),
        ("part=a", 404, "no parts with names"),
    ] {
        let refused = running.get(&format!("{path}?{query}")).await;
        assert_eq!(refused.status(), status, "{query}");
        let text = refused.text().await.unwrap();
        assert!(text.contains(words), "{query}: {text}");
    }
    running.stop().await;
}
