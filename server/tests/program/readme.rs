//! The client code in the README, run as it stands there.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::client::PATIENCE;
use super::running::Running;

/// The first block of the README in a language that contains a text.
fn block(language: &str, text: &str) -> String {
    let readme = std::fs::read_to_string("../README.md").expect("the README");
    let opening = format!("```{language}\n");
    let mut blocks = readme.split(&*opening).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(text)).expect("a block").to_owned()
}

/// Runs a program on a server; returns what it prints.
async fn run(interpreter: &[&str], program: &str, server: &str) -> String {
    let mut child = Command::new(interpreter[0])
        .args(&interpreter[1..])
        .env("SERVER", server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("an interpreter");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(program.as_bytes()).await.expect("the program is read");
    drop(input);
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends in time").expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_of_the_readme_prints_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let program = block("python", "urllib.request");
    assert_eq!(run(&["python3", "-"], &program, &running.url).await, "[2.0, 3.0, 4.0]\n");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_of_the_readme_prints_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let program = block("sh", "${SERVER:-");
    assert_eq!(run(&["sh", "-eu"], &program, &running.url).await, "2.0\n3.0\n4.0\n");
    running.stop().await;
}
