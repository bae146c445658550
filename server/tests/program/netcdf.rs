//! NetCDF files: averaged variable by variable into a file with the same coordinates, by the
//! command line and over HTTP.

use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::exact;
use super::mean_command::{run_badly, run_well};
use super::running::Running;

/// A name, padded.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).expect("short").to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A classic file with temperatures at two latitudes and three longitudes; 1e20 is missing.
fn file(latitudes: [f64; 2], temperatures: [f32; 6]) -> Vec<u8> {
    let header = |begins: [u32; 2]| {
        [
            b"CDF\x01".to_vec(),
            words(&[0, 10, 2]),
            name("lat"),
            words(&[2]),
            name("lon"),
            words(&[3, 12, 1]),
            name("history"),
            words(&[2]),
            name("made by a test"),
            words(&[11, 2]),
            name("lat"),
            words(&[1, 0, 12, 1]),
            name("units"),
            words(&[2]),
            name("degrees_north"),
            words(&[6, 16, begins[0]]),
            name("tas"),
            words(&[2, 0, 1, 12, 2]),
            name("units"),
            words(&[2]),
            name("K"),
            name("_FillValue"),
            words(&[5, 1, 1e20_f32.to_bits(), 5, 24, begins[1]]),
        ]
        .concat()
    };
    let length = u32::try_from(header([0, 0]).len()).expect("short");
    let mut bytes = header([length, length + 16]);
    bytes.extend(latitudes.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(temperatures.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

const LATITUDES: [f64; 2] = [-45.0, 45.0];
const ONE: [f32; 6] = [250.0, 251.0, 252.0, 253.0, 254.0, 255.0];
const OTHER: [f32; 6] = [251.0, 251.0, 255.0, 253.5, 256.0, 254.0];
const MEAN: [f64; 6] = [250.5, 251.0, 253.5, 253.25, 255.0, 254.5];

fn folder_of_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, temperatures) in [("a.nc", ONE), ("b.nc", OTHER)] {
        fs::write(folder.path().join(name), file(LATITUDES, temperatures)).expect("written");
    }
    folder
}

/// The last numbers of a file: those of its last variable.
fn last_doubles(bytes: &[u8]) -> Vec<f64> {
    let numbers = &bytes[bytes.len() - 48..];
    numbers.as_chunks::<8>().0.iter().map(|number| f64::from_be_bytes(*number)).collect()
}

fn mean_of(path: &Path, name: &str) -> Vec<f64> {
    last_doubles(&fs::read(path.join(name)).expect("it is there"))
}

#[test]
fn files_are_averaged_variable_by_variable_into_a_file() {
    let folder = folder_of_files();
    let path = folder.path();
    let inputs = ["a.nc", "b.nc"];
    run_well(path, &[&inputs[..], &["-o", "m.nc", "--statistics", "range"]].concat());
    assert_eq!(mean_of(path, "m.nc"), MEAN);
    assert_eq!(mean_of(path, "m.range.nc"), [1.0, 0.0, 3.0, 0.5, 2.0, 1.0]);
    let bytes = fs::read(path.join("m.nc")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("mean of 2 files") && text.contains("\nmade by a test"), "{text:?}");
    // The result can be averaged with the inputs: it has their coordinates.
    run_well(path, &["a.nc", "m.nc", "-o", "again.nc"]);
    assert_eq!(mean_of(path, "again.nc")[0], 250.25);

    run_well(path, &[&inputs[..], &["-o", "m.npy"]].concat());
    assert_eq!(exact::parse_npy(&fs::read(path.join("m.npy")).unwrap()), MEAN);
    run_well(path, &[&inputs[..], &["-o", "s.nc", "--dtype", "f32"]].concat());
    let single = fs::read(path.join("s.nc")).unwrap();
    assert_eq!(single[single.len() - 4..], 254.5_f32.to_be_bytes());
    let plan = run_well(path, &[&inputs[..], &["--plan"]].concat());
    assert!(plan.contains("format    netcdf classic float, 1 of 2 variables"), "{plan}");
    assert!(plan.contains("variable  tas float [2, 3]"), "{plan}");

    let mut gap = ONE;
    gap[4] = 1e20;
    fs::write(path.join("c.nc"), file(LATITUDES, gap)).unwrap();
    run_well(path, &["b.nc", "c.nc", "--missing", "skip", "-o", "skipped.nc"]);
    assert_eq!(mean_of(path, "skipped.nc")[3..5], [253.25, 256.0]);
}

#[test]
fn errors_name_the_file_the_variable_and_the_place() {
    let folder = folder_of_files();
    let path = folder.path();
    let mut gap = ONE;
    gap[4] = 1e20;
    let whole = file(LATITUDES, ONE);
    fs::write(path.join("gap.nc"), file(LATITUDES, gap)).unwrap();
    fs::write(path.join("shifted.nc"), file([-45.0, 46.0], ONE)).unwrap();
    fs::write(path.join("cut.nc"), &whole[..whole.len() - 1]).unwrap();
    fs::write(path.join("n.npy"), exact::to_npy("6,", &[1.0; 6])).unwrap();
    for (arguments, words) in [
        (
            &["a.nc", "shifted.nc"][..],
            &["shifted.nc: the coordinate \"lat\" is 46.0 at [1], in ", "a.nc it is 45.0"][..],
        ),
        (
            &["a.nc", "gap.nc"],
            &["gap.nc: byte", "the variable \"tas\" has no value at [1, 1]", "propagate or skip"],
        ),
        (&["a.nc", "--select", "rain"], &["a.nc: has no variable \"rain\"; it has \"tas\""]),
        (&["cut.nc"], &["cut.nc: byte", "the variable \"tas\" ends at byte", "copy the file"]),
        (&["n.npy", "--dtype", "f32"], &["numbers of .nc files are f64 where", "npy f8"]),
        (&["a.nc", "n.npy"], &["n.npy: has no named columns, and ", "has variables"]),
        (&["a.nc", "--dtype", "f16"], &["NetCDF has no numbers of type f16", "f64, f32 or input"]),
    ] {
        let error = run_badly(path, &[arguments, &["--output", "m.nc"]].concat());
        for word in words {
            assert!(error.contains(word), "{arguments:?} gives {error}, where {word} was expected");
        }
        assert!(!path.join("m.nc").exists());
    }
    run_well(path, &["a.nc", "shifted.nc", "--select", "!lat", "-o", "m.nc"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_planned_averaged_and_downloaded_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let location = format!("file://{}", out.display());
    let allowed = format!("--allow-outputs={location}");
    let running = Running::start_with(&folder.path().join("store"), &[&allowed]).await;
    for (name, temperatures) in [("a.nc", ONE), ("b.nc", OTHER)] {
        running.upload(&format!("in/{name}"), file(LATITUDES, temperatures)).await;
    }
    let request = json!({"inputs": {"prefix": "in"}, "output": {"location": location}});
    let plan: Value = running.post("/api/plan", &request).await.json().await.unwrap();
    let variables = json!({"count": 1,
        "first": [{"name": "tas", "dtype": "float", "shape": [2, 3]}]});
    assert_eq!(plan["inputs"]["variables"], variables, "{plan}");
    let page = running.get("/?plan=shown&source=prefix&prefix=in").await.text().await.unwrap();
    assert!(page.contains("1\u{a0}variable") || page.contains("variable"), "{page}");
    assert!(page.contains("tas") && page.contains("2 × 3"), "{page}");

    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let response = running.get(&format!("/api/jobs/{job}/result?format=netcdf")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.ends_with(".nc\""), "{disposition}");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(ended["result"]["netcdf"]["bytes"], bytes.len());
    assert_eq!(last_doubles(&bytes), MEAN);
    assert!(String::from_utf8_lossy(&bytes).contains(&job), "the history names the job");
    assert_eq!(fs::read(out.join("mean.nc")).unwrap(), bytes);
    assert!(out.join("mean.npy").exists());
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("format=netcdf"), "{page}");
    let part = running.get(&format!("/api/jobs/{job}/result?part=tas&format=json")).await;
    let part: Value = part.json().await.unwrap();
    assert_eq!(part["shape"], json!([2, 3]), "{part}");
    assert_eq!(part["mean"], json!(MEAN), "{part}");
    // Its variable is the one tensor of a model.
    let model = running.get(&format!("/api/jobs/{job}/result?format=safetensors")).await;
    let length = model.headers()["content-length"].clone();
    let model = model.bytes().await.unwrap();
    assert_eq!(length, model.len().to_string());
    assert!(
        String::from_utf8_lossy(&model).contains("\"tas\":{\"dtype\":\"F64\",\"shape\":[2, 3]")
    );
    assert_eq!(model[model.len() - 48..], MEAN.map(f64::to_le_bytes).concat());
    running.stop().await;
}
