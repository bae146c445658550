//! A route of axum with nothing behind it, in a process of its own.

use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::Outcome;

/// What tells this program to be the bare route.
pub(crate) const ARGUMENT: &str = "--serve-bare";
/// The variable with the length of its answers in bytes.
const LENGTH: &str = "DISTRIBUTED_AVERAGE_BENCH_BARE_BYTES";

/// The process; killed when dropped.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: String,
}

impl Bare {
    /// Starts it, with answers of this length.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub(crate) async fn start(answer_bytes: usize) -> Outcome<Bare> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .env(LENGTH, answer_bytes.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(tokio::process::ChildStdout::from_std(output)?).lines();
        let address = lines.next_line().await?.ok_or("the bare route has ended")?;
        Ok(Bare { child, address })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is killed.
///
/// # Errors
///
/// If no port is free.
pub(crate) async fn serve() -> Outcome<()> {
    let length: usize = std::env::var(LENGTH)?.parse()?;
    let answer = bytes::Bytes::from(vec![b'x'; length]);
    let handler =
        move || async move { ([(header::CONTENT_TYPE, "application/json")], answer.clone()) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, Router::new().route("/", get(handler))).await?)
}
