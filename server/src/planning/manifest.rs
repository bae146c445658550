//! The objects that a manifest lists: an object with a name on each line, or a JSON array of
//! names.

mod names;

use futures::{StreamExt, TryStreamExt, stream};
use platform::{Pin, StoreError};
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::request::{MANIFEST, check_object};
use protocol::task::InputObject;

use self::names::{Flaw, Name, Names};
use super::{HEADS_AT_ONCE, Planner};

/// The largest manifest in bytes: a million names take a tenth of it.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// How much of a manifest is read at a time: only so much of it is in memory as text.
const READ_BYTES: usize = 1 << 20;

/// A manifest that is read.
struct Reading<'a> {
    planner: &'a Planner,
    manifest: &'a str,
}

impl Planner {
    /// The objects that a manifest lists, in its order. It is read piece by piece, while the
    /// objects are looked for, and is pinned meanwhile.
    pub(super) async fn manifest(&self, manifest: &str) -> Result<Vec<InputObject>, Problem> {
        let reading = Reading { planner: self, manifest };
        let objects = reading.objects().await;
        objects.map_err(|problem| problem.field(MANIFEST.name))
    }
}

impl Reading<'_> {
    async fn objects(&self) -> Result<Vec<InputObject>, Problem> {
        let Reading { planner, manifest } = *self;
        let there = planner.named_one(manifest).await?;
        if there.bytes > MANIFEST_BYTES_MAX {
            let detail = format!(
                "the manifest {manifest} has {} bytes; the limit is {MANIFEST_BYTES_MAX}",
                there.bytes
            );
            return Err(Problem::new(ProblemKind::LimitExceeded, detail)
                .object(manifest)
                .remedy("split it into several jobs"));
        }
        let (store, _, key) =
            planner.inputs.resolve(manifest).map_err(|error| self.failed(&error))?;
        let pin = Pin::of(&there);
        let (mut names, mut objects, mut offset) = (Names::default(), Vec::new(), 0);
        loop {
            let mut found = Vec::new();
            let read = store.read_pinned(key, pin.as_ref(), offset, READ_BYTES, Vec::new());
            let bytes = read.await.map_err(|error| self.failed(&error))?;
            if bytes.is_empty() {
                names.finish(&mut found).map_err(|flaw| self.flawed(flaw))?;
                self.find(&found, &mut objects).await?;
                return Ok(objects);
            }
            offset += bytes.len() as u64;
            names.feed(&bytes, &mut found).map_err(|flaw| self.flawed(flaw))?;
            drop(bytes);
            self.find(&found, &mut objects).await?;
        }
    }

    /// Adds the objects of these names.
    async fn find(&self, names: &[Name], objects: &mut Vec<InputObject>) -> Result<(), Problem> {
        let count = objects.len().saturating_add(names.len());
        self.planner.job_limits.check_objects(count as u64)?;
        // One by one: all these futures at once would take a multiple of the names.
        let sized = stream::iter(0..names.len())
            .map(|index| async move { self.object(&names[index]).await });
        let mut sized = sized.buffered(HEADS_AT_ONCE);
        while let Some(object) = sized.try_next().await? {
            objects.push(object);
        }
        Ok(())
    }

    async fn object(&self, Name { line, text }: &Name) -> Result<InputObject, Problem> {
        let found = match check_object(text) {
            Ok(()) => self.planner.named_one(text).await,
            Err(problem) => Err(problem.object(self.manifest)),
        };
        found.map_err(|problem| self.at_line(*line, problem))
    }

    fn at_line(&self, line: u64, problem: Problem) -> Problem {
        let detail = format!("line {line} of {}: {}", self.manifest, problem.detail);
        Problem { detail, ..problem }
    }

    fn failed(&self, error: &StoreError) -> Problem {
        let problem = self.planner.problem(error, self.manifest, "reading the manifest");
        problem.object(self.manifest)
    }

    fn flawed(&self, Flaw { line, what }: Flaw) -> Problem {
        let problem = Problem::new(ProblemKind::InvalidInput, what).object(self.manifest);
        self.at_line(line, problem.remedy("write a name on each line, or a JSON array of names"))
    }
}
