//! The tool with which Prometheus checks figures and rules.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::programs;

/// Runs `promtool` with `input`; returns what it has said.
///
/// # Panics
///
/// If it is not installed, or finds something wrong.
pub fn promtool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(programs::find("promtool", "prometheus/usr/bin/promtool"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It reads all of its input before it says anything.
    stdin.write_all(input.as_bytes()).expect("promtool reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {}\n{said}", output.status);
    said
}
