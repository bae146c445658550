//! The dashboard: its pages, and the browser bundle.

use std::path::Path;
use std::sync::Arc;

use app::backend::Backend;
use app::filter::JobFilter;
use app::lately::Lately;
use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, header};
use leptos::config::LeptosOptions;
use program::clock;
use protocol::detail::InputPage;
use protocol::files::FolderPage;
use protocol::live::{JobPage, Overview};
use protocol::states::TaskStates;
use protocol::timeline::{ATTEMPTS_LISTED, Timeline};
use protocol::{JobId, JobSnapshot, Preview, Problem, Timestamp, ValidRequest};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::engine::Engine;
use crate::timeline::Span;

/// Browsers may cache a file for ever: its name changes with its content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The names of the bundle's files, before their hashes.
const OUTPUT_NAME: &str = "distributed-average";

/// The pages, their server functions, and the browser bundle.
pub(super) fn routes(engine: &Arc<Engine>, site: Option<&Path>) -> Router {
    let pages = app::mount::routes(options(site), engine.clone() as Arc<dyn Backend>);
    match site {
        None => pages,
        Some(site) => {
            let files = ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip();
            // A name that is not there may be that of the next version.
            let is_kept = |response: &Response<_>| {
                let status = response.status();
                let is_found = status.is_success() || status == StatusCode::NOT_MODIFIED;
                is_found.then_some(FOR_EVER)
            };
            let forever = SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, is_kept);
            pages.nest_service("/pkg", tower::ServiceBuilder::new().layer(forever).service(files))
        }
    }
}

fn options(site: Option<&Path>) -> LeptosOptions {
    let options = LeptosOptions::builder().output_name(OUTPUT_NAME).site_pkg_dir("pkg");
    match site {
        Some(site) => options
            .hash_files(true)
            .hash_file(Arc::<str>::from(site.join("hash.txt").display().to_string()))
            .site_root(Arc::<str>::from(site.display().to_string()))
            .build(),
        None => options.build(),
    }
}

#[async_trait]
impl Backend for Engine {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    async fn overview(&self) -> Overview {
        self.board().overview()
    }

    async fn history(
        &self,
        filter: &JobFilter,
        cursor: Option<JobId>,
        limit: usize,
    ) -> Result<JobPage, Problem> {
        self.jobs_matching(&|job| filter.matches(job), cursor, limit).await
    }

    fn newest_job(&self) -> Option<JobId> {
        self.board().newest()
    }

    fn visit_jobs(&self, visit: &mut dyn FnMut(&JobSnapshot)) {
        self.board().visit(visit);
    }

    async fn job_with_tasks(
        &self,
        id: JobId,
    ) -> Result<(JobSnapshot, Option<TaskStates>), Problem> {
        if let Some(found) = self.board().job_with_tasks(id) {
            return Ok(found);
        }
        Engine::job(self, id).await.map(|job| (JobSnapshot::clone(&job), None))
    }

    async fn timeline(
        &self,
        id: JobId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Timeline, Problem> {
        Engine::timeline(self, id, Span::between(from, to), ATTEMPTS_LISTED).await
    }

    async fn lately(&self) -> Result<Arc<Lately>, Problem> {
        Engine::lately(self).await
    }

    async fn inputs(&self, id: JobId, start: u64, limit: usize) -> Result<InputPage, Problem> {
        self.input_page(id, start, limit).await
    }

    async fn browse(&self, prefix: &str) -> Result<FolderPage, Problem> {
        Engine::browse(self, prefix).await
    }

    async fn delete_files(&self, key: &str) -> Result<(), Problem> {
        Engine::delete_files(self, key).await
    }

    async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem> {
        Engine::preview(self, request).await
    }

    async fn submit(&self, request: ValidRequest, by: Option<String>) -> Result<JobId, Problem> {
        Engine::submit(self, request, by).await
    }

    async fn cancel(&self, id: JobId) -> Result<(), Problem> {
        Engine::cancel(self, id).await
    }

    async fn delete(&self, id: JobId) -> Result<(), Problem> {
        Engine::delete(self, id).await
    }

    async fn rerun(&self, id: JobId, by: Option<String>) -> Result<JobId, Problem> {
        Engine::rerun(self, id, by).await
    }

    async fn resume(&self, id: JobId) -> Result<(), Problem> {
        Engine::resume(self, id).await
    }

    async fn share(&self, id: JobId, by: Option<String>) -> Result<(), Problem> {
        Engine::share(self, id, by).await.map(drop)
    }

    async fn withdraw(&self, id: JobId) -> Result<(), Problem> {
        Engine::withdraw(self, id).await
    }

    async fn share_path(&self, id: JobId) -> Result<Option<String>, Problem> {
        Ok(self.shares().find(id).await?.map(|share| share.path(id)))
    }

    async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem> {
        Engine::set_desired_workers(self, by_hand).await
    }
}
