//! `distributed-average generate`

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use platform::ObjectStore;
use platform::store::local::LocalStore;
use program::telemetry::{self, LogFormat};
use protocol::job::Counted;
use protocol::request::Generate;
use tokio_util::sync::CancellationToken;

use crate::arguments::GenerateArguments;
use crate::generating;

/// Writes generated test data into a folder.
pub async fn run(arguments: GenerateArguments) -> anyhow::Result<()> {
    telemetry::log_from("warn", LogFormat::Text);
    let GenerateArguments { folder, files, count, format, seed } = arguments;
    let data = Generate { files, count, format, seed };
    check_others(&folder, data)?;
    let store = LocalStore::open_scratch(&folder)
        .with_context(|| format!("creating the folder {}", folder.display()))?;
    let bar = super::progress_bar(files, "{bar:40} {pos}/{len} files · {eta} left");
    let objects: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let progress = |counted: Counted| bar.set_position(counted.done);
    generating::generate(&objects, "", data, progress, &CancellationToken::new()).await?;
    store.leave_only_objects().context("removing temporary files")?;
    bar.finish_and_clear();
    Ok(())
}

/// Refuses a folder with other files, which would be averaged with the generated ones.
fn check_others(folder: &Path, data: Generate) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        // It does not exist, or writing into it says why it cannot be used.
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(['.', '_']) && !generating::is_file_name(data, &name) {
            bail!(
                "{} contains {name}, which would be averaged with the generated files: choose an \
                 empty folder",
                folder.display()
            );
        }
    }
    Ok(())
}
