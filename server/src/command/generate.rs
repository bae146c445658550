//! `distributed-average generate`

use std::sync::Arc;

use anyhow::Context;
use platform::ObjectStore;
use platform::store::local::LocalStore;
use protocol::job::Counted;
use protocol::request::Generate;
use tokio_util::sync::CancellationToken;

use crate::arguments::GenerateArguments;
use crate::generating;

/// Writes generated test data into a folder.
pub async fn run(arguments: GenerateArguments) -> anyhow::Result<()> {
    program::telemetry::log_from("warn");
    let GenerateArguments { folder, files, count, format, seed } = arguments;
    let store = LocalStore::open_scratch(&folder)
        .with_context(|| format!("creating the folder {}", folder.display()))?;
    let bar = super::progress_bar(files, "{bar:40} {pos}/{len} files · {eta} left");
    let data = Generate { files, count, format, seed };
    let objects: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let progress = |counted: Counted| bar.set_position(counted.done);
    generating::generate(&objects, "", data, progress, &CancellationToken::new()).await?;
    store.leave_only_objects().context("removing temporary files")?;
    bar.finish_and_clear();
    Ok(())
}
