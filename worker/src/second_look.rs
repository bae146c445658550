//! A second look at an input object that seems to be gone or to have changed.
//!
//! A store may fail to find an object that is there: while a gateway starts, a folder is
//! mounted again, or a replica is behind. Such an answer must not fail the job.

use platform::retry::SECOND_LOOK_AFTER;
use platform::store::ObjectMeta;
use platform::{InputStores, StoreError};
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Fault, InputObject};
use protocol::{ObjectVersion, Problem};
use tokio::time::sleep;

use crate::failure;

/// Looks again at the object that a failure blames. If the object is there and as it was
/// planned, the input is not at fault.
pub(crate) async fn confirmed(
    failure: Failure,
    objects: &[InputObject],
    inputs: &InputStores,
) -> Failure {
    confirmed_after(sleep(SECOND_LOOK_AFTER), failure, objects, inputs).await
}

async fn confirmed_after(
    pause: impl Future<Output = ()>,
    failure: Failure,
    objects: &[InputObject],
    inputs: &InputStores,
) -> Failure {
    let kind = failure.problem.kind;
    let is_absence = matches!(kind, ProblemKind::NotFound | ProblemKind::InputChanged);
    if failure.fault != Fault::Input || !is_absence {
        return failure;
    }
    let blamed = failure.problem.object.as_ref();
    let Some(object) = objects.iter().find(|object| Some(&object.location) == blamed) else {
        return failure;
    };
    let mut seen = look(object, inputs).await;
    if matches!(seen, Ok(None)) {
        pause.await;
        seen = look(object, inputs).await;
    }
    match seen {
        Ok(Some(true)) => glitch(object, &failure.problem),
        Ok(_) => failure,
        Err(error) => failure::input(&object.location, &error),
    }
}

/// Whether an object, and all of which it consists, is as it was planned; `None` if it is not
/// there.
async fn look(object: &InputObject, inputs: &InputStores) -> Result<Option<bool>, StoreError> {
    let only = (&object.location, object.bytes, &object.version);
    let parts = object.parts.iter().map(|part| (&part.location, part.bytes, &part.version));
    let all = parts.chain(object.parts.is_empty().then_some(only));
    let mut is_as_planned = true;
    for (location, bytes, version) in all {
        let (store, _, key) = inputs.resolve(location)?;
        match store.head(key).await {
            Ok(found) => is_as_planned &= is_same(bytes, version.as_ref(), &found),
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(is_as_planned))
}

fn is_same(bytes: u64, version: Option<&ObjectVersion>, found: &ObjectMeta) -> bool {
    let is_version = match (version, &found.version) {
        (Some(planned), Some(found)) => planned.difference(found).is_none(),
        (Some(_), None) => false,
        (None, _) => true,
    };
    is_version && found.bytes == bytes
}

/// The store has answered wrongly for a moment. Another attempt may be luckier, but not
/// for ever.
fn glitch(object: &InputObject, problem: &Problem) -> Failure {
    let location = &object.location;
    let detail = format!("{location} is there, although the store denied it: {}", problem.detail);
    let problem = Problem::new(ProblemKind::Unavailable, detail)
        .object(location)
        .remedy("check the store of the inputs, then run the job again");
    Failure { problem, fault: Fault::Program }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use platform::ObjectStore;
    use platform::store::local::LocalStore;

    use super::*;

    const KEY: &str = "in/a";

    /// A store with one object, and the object as a plan has it.
    async fn planned() -> (tempfile::TempDir, Arc<LocalStore>, InputObject) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Arc::new(LocalStore::open(folder.path()).expect("a store"));
        store.put(KEY, "1\n".into()).await.expect("a write");
        let ObjectMeta { key: location, bytes, version } = store.head(KEY).await.expect("it");
        (
            folder,
            store,
            InputObject { location, bytes, version, weight: None, parts: Box::default() },
        )
    }

    fn vanished(object: &InputObject) -> Failure {
        failure::permanent(Problem::input_changed(&object.location, "it was deleted"))
    }

    #[tokio::test]
    async fn an_object_that_is_there_as_it_was_planned_is_not_to_blame() {
        let (_folder, store, object) = planned().await;
        let inputs = InputStores::new(store);
        let pause = async { panic!("there is no need to wait") };
        let failure = vanished(&object);
        let looked = confirmed_after(pause, failure, &[object], &inputs).await;
        assert_eq!(looked.fault, Fault::Program, "{}", looked.problem);
    }

    #[tokio::test]
    async fn an_object_that_comes_back_between_the_looks_is_not_to_blame() {
        let (folder, store, object) = planned().await;
        let inputs = InputStores::new(store);
        let (there, away) = (folder.path().join(KEY), folder.path().join("away"));
        std::fs::rename(&there, &away).unwrap();
        let comes_back = async { std::fs::rename(&away, &there).unwrap() };
        let failure = vanished(&object);
        let looked = confirmed_after(comes_back, failure, &[object], &inputs).await;
        assert_eq!(looked.fault, Fault::Program, "{}", looked.problem);
    }

    #[tokio::test]
    async fn an_object_that_stays_away_or_is_another_one_is_to_blame() {
        let (_folder, store, object) = planned().await;
        let inputs = InputStores::new(store.clone());
        let (failure, objects) = (vanished(&object), [object]);
        store.put(KEY, "1\n2\n".into()).await.unwrap();
        let pause = async { panic!("there is no need to wait") };
        let looked = confirmed_after(pause, failure.clone(), &objects, &inputs).await;
        assert_eq!(looked, failure, "another one");
        store.delete(KEY).await.unwrap();
        let mut has_waited = false;
        let pause = async { has_waited = true };
        let looked = confirmed_after(pause, failure.clone(), &objects, &inputs).await;
        assert_eq!(looked, failure, "gone");
        assert!(has_waited, "it has looked twice");
    }
}
