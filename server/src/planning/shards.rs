//! Joins the shards of each model with the index that names them, to one input.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use platform::Pin;
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::{InputObject, ObjectPart};
use summation::{INDEX_BYTES_MAX, shards_of};

use super::{Found, HEADS_AT_ONCE, Planner};

/// How the name of an index ends.
const INDEX: &str = ".safetensors.index.json";

/// How that of a shard ends.
const SHARD: &str = ".safetensors";

/// Whether an object is the index of a model in several files.
pub(crate) fn is_index(key: &str) -> bool {
    key.to_lowercase().ends_with(INDEX)
}

/// The folders that have the index of a model. Of what else is in them, only model weights are
/// data: lists of tokens, for example, are texts without a common name.
#[derive(Default)]
pub(crate) struct ModelFolders(HashSet<String>);

impl ModelFolders {
    /// Those of some files.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a str>) -> ModelFolders {
        ModelFolders(keys.filter(|key| is_index(key)).map(|key| folder(key).to_owned()).collect())
    }

    /// Whether a file only accompanies a model.
    pub(crate) fn accompanies(&self, key: &str) -> bool {
        let is_model = || is_index(key) || key.to_lowercase().ends_with(SHARD);
        self.0.contains(folder(key)) && !is_model()
    }
}

/// A key up to the last slash, with it.
pub(super) fn folder(key: &str) -> &str {
    &key[..key.rfind('/').map_or(0, |slash| slash + 1)]
}

impl Found {
    /// Leaves out what only accompanies a model.
    pub(super) fn leave_out_beside_models(&mut self) {
        let folders = ModelFolders::of(self.objects.iter().map(|it| it.location.as_str()));
        self.objects.retain(|object| {
            let is_other = folders.accompanies(&object.location);
            if is_other {
                self.skipped.add(&object.location);
            }
            !is_other
        });
    }
}

impl Planner {
    /// The same inputs, where each index has become one with its shards. These are no inputs
    /// of their own then.
    pub(super) async fn joined(
        &self,
        objects: Vec<InputObject>,
    ) -> Result<Vec<InputObject>, Problem> {
        let indexes: Vec<usize> =
            (0..objects.len()).filter(|&index| is_index(&objects[index].location)).collect();
        if indexes.is_empty() {
            return Ok(objects);
        }
        let listed: HashMap<&str, &InputObject> =
            objects.iter().map(|object| (object.location.as_str(), object)).collect();
        let (listed, found) = (&listed, &objects);
        let models = stream::iter(indexes)
            .map(|index| async move { self.model(&found[index], listed).await });
        let models: Vec<InputObject> = models.buffered(HEADS_AT_ONCE).try_collect().await?;
        let count: usize = models.iter().map(|model| model.parts.len()).sum();
        self.job_limits.check_objects((objects.len() + count) as u64)?;
        let shards = models.iter().flat_map(|model| &model.parts);
        let shards: HashSet<String> = shards.map(|part| part.location.clone()).collect();
        let mut models = models.into_iter();
        let joined = objects.into_iter().filter_map(|object| match is_index(&object.location) {
            true => models.next(),
            false => Some(object).filter(|object| !shards.contains(&object.location)),
        });
        Ok(joined.collect())
    }

    /// An index with the shards that it names, which lie beside it.
    async fn model(
        &self,
        index: &InputObject,
        listed: &HashMap<&str, &InputObject>,
    ) -> Result<InputObject, Problem> {
        let location = &index.location;
        if index.bytes > INDEX_BYTES_MAX {
            let detail = format!(
                "the index {location} has {} bytes; the limit is {INDEX_BYTES_MAX}",
                index.bytes
            );
            return Err(Problem::new(ProblemKind::LimitExceeded, detail).object(location));
        }
        let doing = "reading the index of a model";
        let failed = |error| self.problem(&error, location, doing).object(location);
        let (store, _, key) = self.inputs.resolve(location).map_err(failed)?;
        let length = usize::try_from(index.bytes).unwrap_or(usize::MAX);
        let pin = Pin::of(index);
        let read = store.read_pinned(key, pin.as_ref(), 0, length, Vec::new());
        let text = read.await.map_err(failed)?;
        let names = shards_of(&text).map_err(|error| error.problem(location))?;
        let mut parts = vec![part(index)];
        for name in names {
            let shard = format!("{}{name}", folder(location));
            parts.push(match listed.get(shard.as_str()) {
                Some(shard) => part(shard),
                None => part(&self.named_one(&shard).await.map_err(|problem| {
                    let detail = format!("the index {location}: {}", problem.detail);
                    Problem { detail, ..problem }.remedy("add the shard to the files of the model")
                })?),
            });
        }
        let bytes = parts.iter().fold(0_u64, |bytes, part| bytes.saturating_add(part.bytes));
        Ok(InputObject { bytes, parts: parts.into(), ..index.clone() })
    }
}

fn part(InputObject { location, bytes, version, .. }: &InputObject) -> ObjectPart {
    ObjectPart { location: location.clone(), bytes: *bytes, version: version.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_a_model_only_weights_are_data() {
        let keys = [
            "a/model.safetensors.index.json",
            "a/model-00001-of-00002.safetensors",
            "a/other.safetensors",
            "a/merges.txt",
            "a/deeper/b.csv",
            "b.csv",
        ];
        let folders = ModelFolders::of(keys.into_iter());
        let others: Vec<&str> = keys.into_iter().filter(|key| folders.accompanies(key)).collect();
        assert_eq!(others, ["a/merges.txt"]);
        assert!(!is_index("a.index.json") && is_index("pytorch.safetensors.index.json"));
    }
}
