//! What somebody on the network may not do to a server.

mod access;
mod compression;
mod cross_site;
mod files;
mod limits;
mod pages;
mod stop;
mod tls;
mod withdrawing;

use std::path::Path;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::PATIENCE;
use super::running::Running;

/// Connects to a server, and sends a text.
async fn send(url: &str, text: &str) -> TcpStream {
    let address = url.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("it is sent");
    stream
}

/// All that a server sends until it closes the connection.
async fn received(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A connection that is reset is closed, too.
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bundle_no_file_of_the_working_directory_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for file in ["Cargo.toml", "src/main.rs"] {
        assert!(Path::new(file).is_file(), "the test does not run in the folder of its package");
        for path in [file.to_owned(), file.replace('a', "%61"), format!("pkg/{file}")] {
            let answer = running.get(&format!("/{path}")).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            let text = answer.text().await.unwrap();
            assert!(text.contains("<html"), "a page says that it is not there: {text}");
        }
    }
    running.stop().await;
}
