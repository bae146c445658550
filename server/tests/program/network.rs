//! What somebody on the network may not do to a server.

use std::path::Path;

use reqwest::StatusCode;

use super::running::Running;

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
