//! The peak memory of `mean` stays below the bound that it prints beforehand.

use std::path::Path;
use std::process::Command;

use super::exact;

const PROGRAM: &str = env!("CARGO_BIN_EXE_distributed-average");

/// The part of the bound for the program itself, whatever the job. The program that tests
/// run is not optimised, and so larger.
const PROGRAM_BYTES: f64 = if cfg!(debug_assertions) { 72.0 } else { 48.0 } * 1024.0 * 1024.0;

/// What a job may take beyond its plan: the allocator rounds up, and threads that a
/// job without data does not start have stacks. Less than 1 MiB was measured.
const ALLOCATOR_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// Peak resident memory and its bound, in bytes, of the mean of generated files
/// that are larger than both.
fn peak_and_bound(folder: &Path, format: &str, count: u64) -> (f64, f64) {
    let files = folder.join(format);
    let generated = Command::new(PROGRAM)
        .args(["generate", files.to_str().expect("UTF-8"), "--files", "8", "--format", format])
        .args(["--count", &count.to_string()])
        .output()
        .expect("the program runs");
    assert!(generated.status.success());
    peak_and_bound_of(folder, &files)
}

/// The same for existing files.
fn peak_and_bound_of(folder: &Path, files: &Path) -> (f64, f64) {
    let output = Command::new(PROGRAM)
        .args(["mean", files.to_str().expect("UTF-8"), "--output"])
        .arg(folder.join("mean.npy"))
        .args(["--workers", "1", "--fan-in", "8", "--verbose"])
        .output()
        .expect("the program runs");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{told}");
    std::fs::remove_dir_all(files).expect("the files are there");
    let memory: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("memory  ")).collect();
    let [before, after] = memory[..] else { panic!("{told}") };
    let (peak, bound) = after.split_once(" at its peak, bound ").expect("both");
    assert!(before.starts_with(&format!("at most {bound},")), "{told}");
    (bytes(peak), bytes(bound))
}

/// Parses `36.12 MiB`.
fn bytes(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').expect("a unit");
    let unit: f64 = match unit {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        other => panic!("{other}"),
    };
    number.parse::<f64>().expect("a number") * unit
}

#[test]
fn a_job_holds_no_more_than_its_bound_however_large_its_files() {
    for (format, counts) in [("npy", [1_500_000, 3_000_000]), ("csv", [1_400_000, 2_000_000])] {
        let folder = tempfile::tempdir().unwrap();
        // Almost no data: the memory of the program itself.
        let (program, _) = peak_and_bound(folder.path(), format, 8);
        assert!(program <= PROGRAM_BYTES, "{format}: {program} bytes without data");
        let peaks = counts.map(|count| {
            let (peak, bound) = peak_and_bound(folder.path(), format, count);
            assert!(peak <= bound, "{format}: {peak} of {bound} bytes");
            // Nor is it hidden in the part for the program.
            let (job, planned) = (peak - program, bound - PROGRAM_BYTES + ALLOCATOR_BYTES);
            assert!(job <= planned, "{format}: the job takes {job} of {planned} bytes");
            // Otherwise the test would show nothing.
            assert!(bound < (8 * 8 * count) as f64, "{format}: {bound}");
            (job, planned)
        });
        println!("{format}: the program {program}, jobs and what is planned for them {peaks:?}");
    }
}

/// 60,000 small files took 20 MiB more than was said.
#[test]
fn a_job_of_many_files_holds_no_more_than_its_bound_either() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("many");
    std::fs::create_dir(&files).unwrap();
    // Links to one file: some disks take a minute for so many.
    std::fs::write(files.join("first.csv"), "1,2,3\n").unwrap();
    for file in 0..60_000 {
        std::fs::hard_link(files.join("first.csv"), files.join(format!("{file:06}.csv"))).unwrap();
    }
    let (peak, bound) = peak_and_bound_of(folder.path(), &files);
    println!("many files: {peak} of {bound} bytes");
    assert!(peak <= bound, "{peak} of {bound} bytes");
    // It is told what they take, and not much more.
    assert!(peak > PROGRAM_BYTES && bound < 2.0 * peak, "{peak} of {bound} bytes");
}

#[test]
fn arrays_of_mixed_orders_take_no_more_than_the_bound_either() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("tables");
    std::fs::create_dir(&files).unwrap();
    let (rows, columns) = (1500, 2000);
    let in_c = exact::to_npy(&format!("{rows}, {columns}"), &vec![0.5; rows * columns]);
    let place = in_c.windows(5).position(|word| word == b"False").unwrap();
    let in_fortran = [&in_c[..place], b"True ", &in_c[place + 5..]].concat();
    for file in 0..8 {
        let bytes = if file % 3 == 0 { &in_c } else { &in_fortran };
        std::fs::write(files.join(format!("{file}.npy")), bytes).unwrap();
    }
    let (peak, bound) = peak_and_bound_of(folder.path(), &files);
    assert!(peak <= bound, "{peak} of {bound} bytes");
    assert!(bound < (8 * in_c.len()) as f64, "{bound}");
    println!("mixed orders: {peak} of {bound} bytes");
}
