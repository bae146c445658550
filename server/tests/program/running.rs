//! A server inside the test process.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use platform::ObjectStore;
use protocol::Problem;
use server::access::Access;
use server::arguments::{Arguments, Command};
use server::driver::Parts;
use server::engine::Engine;
use server::http::Settings;
use server::{http, parts};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use traces::Traces;

use super::client::{Client, PATIENCE};

/// A server inside the test, with its own store, on a free port.
pub(crate) struct Running {
    client: Client,
    engine: Arc<Engine>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(store: &Path) -> Running {
        Running::start_with(store, &[]).await
    }

    /// Starts a server with further arguments.
    pub(crate) async fn start_with(store: &Path, further: &[&str]) -> Running {
        Running::start_changed(store, further, |_| {}).await
    }

    /// Starts a server with further arguments, and with other settings than follow
    /// from them.
    pub(crate) async fn start_changed(
        store: &Path,
        further: &[&str],
        change: impl FnOnce(&mut Settings),
    ) -> Running {
        Running::launch(store, further, change, |store| store, |_| {}).await
    }

    /// Starts a server whose store, and its other parts, are changed.
    pub(crate) async fn start_on(
        store: &Path,
        further: &[&str],
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
        change_parts: impl FnOnce(&mut Parts),
    ) -> Running {
        Running::launch(store, further, |_| {}, wrap, change_parts).await
    }

    async fn launch(
        store: &Path,
        further: &[&str],
        change: impl FnOnce(&mut Settings),
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
        change_parts: impl FnOnce(&mut Parts),
    ) -> Running {
        let store = store.to_str().expect("a path of UTF-8");
        let fixed = ["distributed-average", "serve", "--store", store, "--workers", "2"];
        let arguments = Arguments::parse_from(fixed.iter().chain(further));
        let Command::Serve(arguments) = arguments.command else {
            panic!("serve is serve");
        };
        let mut http = arguments.http.settings(None, u64::MAX).expect("settings");
        change(&mut http);
        let settings = parts::settings(&arguments, 2);
        let store = wrap(arguments.store.open().await.expect("a store"));
        let mut parts =
            parts::for_serving(&arguments, store, Traces::default()).await.expect("parts");
        change_parts(&mut parts);
        let engine = Arc::new(Engine::start(parts, settings, 2).await.expect("an engine"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let tokens = arguments.access.tokens(arguments.listen).expect("tokens");
        let (shares, proxies) = (engine.shares().clone(), arguments.access.proxies());
        let access = Access::open(&**engine.store(), shares, tokens, proxies).await;
        let access = access.expect("a key of sessions");
        let stop = CancellationToken::new();
        let serving =
            tokio::spawn(http::serve(listener, engine.clone(), access, http, stop.clone()));
        Running { client: Client::new(url), engine, stop, serving }
    }

    /// The ids of the jobs in memory, newest first.
    pub(crate) fn overview_ids(&self) -> Vec<String> {
        let jobs = self.engine.board().overview().jobs;
        jobs.iter().map(|job| job.id.to_string()).collect()
    }

    /// Waits until a critical task has ended by itself; says which.
    pub(crate) async fn failed(&self) -> Problem {
        self.engine.failed().await
    }

    /// Stops the server, as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.serving).await.expect("stopping").expect("serving");
        timeout(PATIENCE, self.engine.stop()).await.expect("stopping the engine");
    }
}

impl Deref for Running {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
