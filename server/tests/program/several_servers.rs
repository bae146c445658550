//! Several servers in one process.

use tokio::time::timeout;

use super::client::PATIENCE;
use super::running::Running;

/// The number of pages that are rendered.
const PAGES: usize = 60;
/// The number of servers that start meanwhile.
const STARTS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_complete_while_other_servers_start() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let pages = async {
        for page in 0..PAGES {
            let rendered = async { running.get("/").await.text().await.unwrap() };
            let text = timeout(PATIENCE, rendered).await;
            let text = text.unwrap_or_else(|_| panic!("page {page} is never complete"));
            assert!(text.contains("</html>"), "page {page}: {text}");
        }
    };
    let starts = async {
        for _ in 0..STARTS {
            let folder = tempfile::tempdir().unwrap();
            Running::start(folder.path()).await.stop().await;
        }
    };
    tokio::join!(pages, starts);
    running.stop().await;
}
