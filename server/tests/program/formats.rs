//! Compressed files, and arrays in C and Fortran order, through the command line and
//! through a server.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::exact;
use super::mean_command::run_badly;
use super::running::Running;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

fn zstd(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::encode_all(bytes, level).expect("memory can be written to")
}

/// Numbers that hardly compress: multiples of 2^-40 below 1.
fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 24) as f64 * 2.0_f64.powi(-40)
    })
    .take(count)
    .collect()
}

/// A .npy file of a table with this many rows, in Fortran order.
fn to_fortran_npy(rows: usize, numbers: &[f64]) -> Vec<u8> {
    let columns = numbers.len() / rows;
    let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| numbers[r * columns + c]));
    let file = exact::to_npy(&format!("{rows}, {columns}"), &turned.collect::<Vec<_>>());
    // As long as the word that it replaces, including a blank.
    let place = file.windows(5).position(|word| word == b"False").expect("the order");
    [&file[..place], b"True ", &file[place + 5..]].concat()
}

/// The output of `mean` for the files of a folder.
fn mean(folder: &Path, inputs: &str, further: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_distributed-average"))
        .args(["mean", inputs, "--output", "out.npy"])
        .args(further)
        .current_dir(folder)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join("out.npy")).expect("it was written")
}

#[test]
fn ordinary_compressed_files_are_averaged_by_the_command_line() {
    const FILES: u64 = 7;
    let folder = tempfile::tempdir().unwrap();
    let arrays: Vec<Vec<f64>> = (0..FILES).map(|file| noise(file, 50_000)).collect();
    let expected = exact::bits(&exact::mean(&arrays));
    for (file, level) in (0..).zip([1, 3, 5, 9, 12, 15, 19]) {
        let array = &arrays[file];
        let npy = exact::to_npy("50000,", array);
        let text: Vec<String> = array.iter().map(f64::to_string).collect();
        let text = text.join("\n");
        for (name, bytes) in [
            ("npy-zst", zstd(&npy, level)),
            ("npy-gz", gzip(&npy)),
            ("csv-zst", zstd(text.as_bytes(), level)),
            // Several frames, the first one shorter than a header.
            ("frames", [zstd(&npy[..20], level), zstd(&npy[20..], level)].concat()),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join(format!("{file}")), bytes).unwrap();
        }
    }
    for name in ["npy-zst", "npy-gz", "csv-zst", "frames"] {
        let result = mean(folder.path(), name, &["--workers", "2"]);
        assert_eq!(exact::bits(&exact::parse_npy(&result)), expected, "{name}");
    }
}

#[test]
fn files_of_mixed_orders_give_the_bytes_of_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["c", "mixed", "late"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    let (rows, columns) = (300, 400);
    let arrays: Vec<Vec<f64>> = (0..20).map(|file| noise(file, rows * columns)).collect();
    for (file, array) in arrays.iter().enumerate() {
        let in_c = exact::to_npy(&format!("{rows}, {columns}"), array);
        let in_fortran = to_fortran_npy(rows, array);
        let mixed = match file % 4 {
            0 => in_fortran.clone(),
            1 => zstd(&in_fortran, 3),
            2 => gzip(&in_c),
            _ => in_c.clone(),
        };
        // The one file in Fortran order is not probed before the job starts.
        let late = if file == 19 { &in_fortran } else { &in_c };
        for (name, bytes) in [("c", &in_c), ("mixed", &mixed), ("late", late)] {
            std::fs::write(path.join(name).join(format!("{file:02}")), bytes).unwrap();
        }
    }
    let expected = mean(path, "c", &[]);
    assert_eq!(exact::bits(&exact::parse_npy(&expected)), exact::bits(&exact::mean(&arrays)),);
    for further in [
        &["--workers", "1", "--fan-in", "20"][..],
        &["--workers", "3", "--fan-in", "2"],
        &["--statistics", "sum,min,max,variance,std"],
    ] {
        for name in ["mixed", "late"] {
            assert!(mean(path, name, further) == expected, "{name} {further:?}");
        }
    }
    for statistic in ["sum", "min", "max", "variance", "std"] {
        let of = |name: &str| {
            mean(path, name, &["--statistics", statistic]);
            std::fs::read(path.join(format!("out.{statistic}.npy"))).unwrap()
        };
        assert!(of("mixed") == of("c"), "{statistic}");
    }
}

#[test]
fn a_transposed_file_fails_the_job_also_if_it_is_not_probed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    std::fs::create_dir(&path).unwrap();
    for file in 0..20 {
        let shape = if file == 19 { "6, 4" } else { "4, 6" };
        let npy = exact::to_npy(shape, &noise(file, 24));
        std::fs::write(path.join(format!("{file:02}.npy")), npy).unwrap();
    }
    let error = run_badly(folder.path(), &["in", "--output", "out.npy"]);
    assert!(error.contains("19.npy: the shape is 6 × 4, and that of"), "{error}");
    assert!(error.contains("00.npy is 4 × 6"), "{error}");
    assert!(!folder.path().join("out.npy").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_averages_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let (rows, columns) = (120, 250);
    let arrays: Vec<Vec<f64>> = (0..9).map(|file| noise(file, rows * columns)).collect();
    for (file, array) in arrays.iter().enumerate() {
        let in_c = exact::to_npy(&format!("{rows}, {columns}"), array);
        let in_fortran = to_fortran_npy(rows, array);
        running.upload(&format!("fortran/{file}.npy"), in_fortran.clone()).await;
        let mixed = match file % 3 {
            0 => in_fortran,
            1 => in_c,
            _ => zstd(&in_fortran, 9),
        };
        running.upload(&format!("mixed/{file}.npy"), mixed).await;
    }
    let expected = exact::mean(&arrays);
    for fan_in in [2, 4, 9] {
        let request = json!({"inputs": {"prefix": "mixed"}, "fan_in": fan_in});
        let job = running.submit(&request).await;
        let ended = running.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        assert_eq!(ended["result"]["shape"], json!([rows, columns]));
        assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&expected));
    }
    // All are in Fortran order, so the result is too, and its header says so.
    let job = running.submit(&json!({"inputs": {"prefix": "fortran"}})).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["inputs"]["fortran_order"], true);
    let turned: Vec<f64> = (0..columns)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| expected[r * columns + c])
        .collect();
    assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&turned));
    running.stop().await;
}
