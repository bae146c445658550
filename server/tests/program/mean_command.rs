//! The command `mean` in a folder.

use std::path::Path;
use std::process::{Command, Output};

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distributed-average"))
        .arg("mean")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

/// What it prints on standard output.
#[track_caller]
pub(crate) fn run_well(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What it prints on standard error.
#[track_caller]
pub(crate) fn run_badly(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).expect("UTF-8")
}
