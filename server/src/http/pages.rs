//! The dashboard: its pages, and the browser bundle.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use app::backend::Backend;
use app::filter::JobFilter;
use app::inspection::{LookedAt, PartialResult, TaskHistory, WorkerHistory};
use app::lately::Lately;
use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, header};
use leptos::config::LeptosOptions;
use program::clock;
use protocol::comparison::Comparison;
use protocol::detail::{InputPage, TaskPage};
use protocol::files::{FolderPage, ObjectContent, StoredObject};
use protocol::live::{JobPage, Overview};
use protocol::request::Statistic;
use protocol::result::{Image, PlotPoint};
use protocol::states::TaskStates;
use protocol::timeline::{ATTEMPTS_LISTED, Timeline};
use protocol::view::{Envelope, Values};
use protocol::{
    Caller, JobId, JobSnapshot, Preview, Problem, TaskId, Timestamp, ValidRequest, WorkerId,
};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::engine::Engine;
use crate::results::views::Line;
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

    fn workers_max(&self) -> u32 {
        Engine::workers_max(self)
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

    async fn values(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        columns: Range<u64>,
    ) -> Result<Values, Problem> {
        Engine::values(self, id, statistic, columns).await
    }

    async fn envelope(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        columns: Option<Range<u64>>,
        points: usize,
    ) -> Result<Envelope, Problem> {
        Engine::envelope(self, id, statistic, columns, points).await
    }

    async fn profile(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        (start, step, count): (u64, u64, u64),
        points: usize,
    ) -> Result<Option<Vec<Option<PlotPoint>>>, Problem> {
        Engine::profile(self, id, statistic, Line { start, step, count }, points).await
    }

    async fn compare(
        &self,
        jobs: (JobId, JobId),
        statistic: Option<Statistic>,
    ) -> Result<Arc<Comparison>, Problem> {
        Engine::compare(self, jobs, statistic).await
    }

    async fn image(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        range: Option<(f64, f64)>,
    ) -> Result<Image, Problem> {
        Engine::image(self, id, statistic, None, None, range).await
    }

    async fn lately(&self) -> Result<Arc<Lately>, Problem> {
        Engine::lately(self).await
    }

    async fn worker(
        &self,
        worker: &WorkerId,
        looked_at: LookedAt,
    ) -> Result<WorkerHistory, Problem> {
        self.worker_history(worker, looked_at).await
    }

    async fn partial_result(&self, id: JobId) -> Result<Option<PartialResult>, Problem> {
        Engine::partial_result(self, id).await
    }

    async fn task(&self, id: JobId, task: TaskId) -> Result<TaskHistory, Problem> {
        self.task_history(id, task).await
    }

    async fn tasks(
        &self,
        id: JobId,
        level: u8,
        start: u64,
        limit: usize,
    ) -> Result<TaskPage, Problem> {
        Engine::tasks(self, id, level, start, limit).await
    }

    async fn inputs(&self, id: JobId, start: u64, limit: usize) -> Result<InputPage, Problem> {
        self.input_page(id, start, limit).await
    }

    async fn inputs_looked_into(
        &self,
        id: JobId,
        start: u64,
        limit: usize,
    ) -> Result<(InputPage, Vec<Option<ObjectContent>>), Problem> {
        Engine::inputs_looked_into(self, id, start, limit).await
    }

    async fn browse(&self, prefix: &str) -> Result<FolderPage, Problem> {
        Engine::browse(self, prefix).await
    }

    async fn contents(&self, files: &[StoredObject]) -> Vec<Option<ObjectContent>> {
        Engine::contents(self, files).await
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

    async fn delete(&self, id: JobId, by: &Caller) -> Result<(), Problem> {
        Engine::delete(self, id, by).await
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
