//! Arrays of .npz files that NumPy has written, and raw numbers of two bytes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::exact;
use super::mean_command::run;
use super::running::Running;

/// By Python's fractions, of what NumPy reads back.
const W: [f64; 12] = [
    0.5,
    0.600000012665987,
    0.700000025331974,
    0.7999999821186066,
    0.8999999910593033,
    1.0,
    1.100000023841858,
    1.2000000178813934,
    1.2999999821186066,
    1.4000000655651093,
    1.5,
    1.5999999642372131,
];
const STEPS: [f64; 2] = [9_007_199_254_740_996.0, -7.0];
const HALF: [f64; 5] = [-1.0, -0.625, -0.25, 0.125, 0.5];

fn archives() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/npz")
}

#[test]
fn the_command_line_averages_the_array_that_is_selected() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["0.npz", "1.npz", "compressed-0.npz", "compressed-1.npz"] {
        fs::copy(archives().join(name), folder.path().join(name)).unwrap();
    }
    // Of two files in either form, also mixed.
    for inputs in [
        ["0.npz", "1.npz"],
        ["compressed-0.npz", "compressed-1.npz"],
        ["0.npz", "compressed-1.npz"],
    ] {
        for (array, expected) in [("w", &W[..]), ("steps", &STEPS), ("half", &HALF)] {
            let arguments = ["--select", array, "--fan-in", "2", "--output", "mean.npy"];
            let output = run(folder.path(), &[&inputs[..], &arguments].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let bytes = fs::read(folder.path().join("mean.npy")).unwrap();
            let found = exact::parse_npy(&bytes);
            if array == "w" {
                // The result is in Fortran order, as all inputs are.
                let header = String::from_utf8_lossy(&bytes[..128]);
                assert!(header.contains("(3, 4)") && header.contains("True"), "{header}");
                let turned: Vec<f64> =
                    (0..12).map(|place| found[place % 4 * 3 + place / 4]).collect();
                assert_eq!(turned, expected, "{inputs:?}");
            } else {
                assert_eq!(found, expected, "{inputs:?} {array}");
            }
        }
    }
    let output = run(folder.path(), &["0.npz", "1.npz", "--output", "mean.npy"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("0.npz: has 3 arrays: \"w\", \"steps\", \"half\""), "{error}");
    let mut bytes = fs::read(folder.path().join("1.npz")).unwrap();
    let place = bytes.windows(6).position(|word| word == b"\x93NUMPY").unwrap() + 140;
    bytes[place] ^= 1;
    fs::write(folder.path().join("1.npz"), bytes).unwrap();
    let output = run(folder.path(), &["0.npz", "1.npz", "--select", "w", "--output", "mean.npy"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("1.npz: the array \"w\": its CRC-32 is"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_json_api_takes_archives_and_raw_numbers_of_two_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for name in ["0.npz", "compressed-1.npz"] {
        running.upload(&format!("npz/{name}"), fs::read(archives().join(name)).unwrap()).await;
    }
    let request = json!({"inputs": {"prefix": "npz"}, "select": ["steps"], "weights": {"0.npz": 1, "compressed-1.npz": 1}});
    let job = running.submit(&request).await;
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{done}");
    assert_eq!(done["inputs"]["format"], "npy i8, array \"steps\" of npz");
    assert_eq!(running.result(&job).await, STEPS);
    for (raw, files) in [("f16", [0x3c00_u16, 0x4000]), ("bf16", [0x3f80, 0x4000])] {
        for (file, bits) in files.iter().enumerate() {
            running.upload(&format!("{raw}/{file}.bin"), bits.to_le_bytes().repeat(3)).await;
        }
        let mean = running.mean(&json!({"inputs": {"prefix": raw}, "raw": raw})).await;
        assert_eq!(mean, [1.5; 3], "{raw}");
    }
    running.stop().await;
}
