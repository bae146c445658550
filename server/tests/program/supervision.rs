//! A server whose driver stands still or has ended says so, and does not pretend to live.

use std::sync::{Arc, Condvar, Mutex};

use async_trait::async_trait;
use platform::Description;
use protocol::WorkerId;
use reqwest::StatusCode;
use serde_json::Value;
use server::pool::{Observed, WorkerPool};
use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio::time::{Duration, sleep, timeout};

use super::client::PATIENCE;
use super::running::Running;

/// What a pool does when the driver asks who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Answers,
    Blocks,
    Panics,
}

/// A pool that can block the driver, or make it panic.
struct Moody {
    inner: Arc<dyn WorkerPool>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

#[async_trait]
impl WorkerPool for Moody {
    fn description(&self) -> Description {
        let (mood, changed) = &*self.mood;
        // Other tasks that would run on this thread go on elsewhere.
        let mood = block_in_place(|| {
            let mood = mood.lock().expect("a mood");
            *changed.wait_while(mood, |mood| *mood == Mood::Blocks).expect("a mood")
        });
        assert_ne!(mood, Mood::Panics, "an injected panic");
        self.inner.description()
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.inner.drained(worker).await
    }

    async fn released(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.inner.released(worker).await
    }

    async fn retained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.inner.retained(worker).await
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        self.inner.ensure(desired).await
    }

    fn observed(&self) -> Option<watch::Receiver<Observed>> {
        self.inner.observed()
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }
}

/// A server whose pool has moods.
async fn server(folder: &std::path::Path) -> (Running, Arc<(Mutex<Mood>, Condvar)>) {
    let mood = Arc::new((Mutex::new(Mood::Answers), Condvar::new()));
    let shared = mood.clone();
    let running = Running::start_on(
        folder,
        &[],
        |store| store,
        |parts| parts.pool = Arc::new(Moody { inner: parts.pool.clone(), mood: shared }),
    );
    (running.await, mood)
}

fn set(mood: &(Mutex<Mood>, Condvar), to: Mood) {
    *mood.0.lock().expect("a mood") = to;
    mood.1.notify_all();
}

/// Waits until the liveness probe answers with a status; returns the answer.
async fn health(running: &Running, status: StatusCode) -> String {
    let asking = async {
        loop {
            let answer = running.get("/healthz").await;
            if answer.status() == status {
                return answer.text().await.expect("a text");
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("the status in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn liveness_fails_while_the_driver_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mood) = server(folder.path()).await;
    assert_eq!(health(&running, StatusCode::OK).await, "ok\n");
    set(&mood, Mood::Blocks);
    let told = health(&running, StatusCode::SERVICE_UNAVAILABLE).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["detail"].as_str().unwrap().contains("has not moved for"), "{told}");
    set(&mood, Mood::Answers);
    health(&running, StatusCode::OK).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_driver_ends_the_server_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mood) = server(folder.path()).await;
    set(&mood, Mood::Panics);
    let failed = timeout(PATIENCE, running.failed()).await.expect("it is noticed");
    assert!(failed.detail.contains("the driver has ended"), "{failed}");
    assert!(!failed.remedy.is_empty());
    set(&mood, Mood::Answers);
    running.stop().await;
}
