//! The list of all queues and stores. No other module names more than one.
//!
//! A new queue or store is a file beside the others with a `KIND`, and a line
//! in [`QUEUES`] or [`STORES`]. The conformance suite shows whether it is correct.

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use crate::place::InvalidPlace;
use crate::queue::place::{QueueKind, QueuePlace};
use crate::queue::{amqp, embedded};
use crate::store::place::{InputPlace, OpenError, OutputPlace, StoreKind, StorePlace};
use crate::store::{local, s3};
use crate::{InputStores, ObjectStore, OutputStores};

/// The kinds of queues.
const QUEUES: [QueueKind; 2] = [embedded::KIND, amqp::KIND];
/// The kinds of stores.
const STORES: [StoreKind; 2] = [local::KIND, s3::KIND];

/// The forms of the places of queues, for help texts.
#[must_use]
pub fn queue_forms() -> &'static str {
    static FORMS: LazyLock<String> = LazyLock::new(|| alternatives(QUEUES.map(|kind| kind.form)));
    &FORMS
}

/// The forms of the places of queues that other processes can reach, for help texts.
#[must_use]
pub fn shared_queue_forms() -> &'static str {
    static FORMS: LazyLock<String> = LazyLock::new(|| {
        alternatives(QUEUES.iter().filter(|kind| kind.is_shared).map(|kind| kind.form))
    });
    &FORMS
}

/// The forms of the places of stores, for help texts.
#[must_use]
pub fn store_forms() -> &'static str {
    static FORMS: LazyLock<String> = LazyLock::new(|| alternatives(STORES.map(|kind| kind.form)));
    &FORMS
}

/// The forms of the places of inputs and outputs, for help texts.
#[must_use]
pub fn input_forms() -> &'static str {
    static FORMS: LazyLock<String> =
        LazyLock::new(|| alternatives(STORES.map(|kind| kind.input_form)));
    &FORMS
}

fn alternatives(forms: impl IntoIterator<Item = &'static str>) -> String {
    forms.into_iter().collect::<Vec<_>>().join(" | ")
}

impl FromStr for QueuePlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<QueuePlace, InvalidPlace> {
        let unknown = || InvalidPlace::new(text, format!("expected {}", queue_forms()));
        QUEUES.iter().find_map(|kind| (kind.parse)(text)).unwrap_or_else(|| Err(unknown()))
    }
}

/// The queue inside the process.
impl Default for QueuePlace {
    fn default() -> Self {
        embedded::place()
    }
}

impl FromStr for StorePlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<StorePlace, InvalidPlace> {
        let unknown = || InvalidPlace::new(text, format!("expected {}", store_forms()));
        STORES.iter().find_map(|kind| (kind.parse)(text)).unwrap_or_else(|| Err(unknown()))
    }
}

impl FromStr for InputPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<InputPlace, InvalidPlace> {
        let unknown = || InvalidPlace::new(text, format!("expected {}", input_forms()));
        STORES.iter().find_map(|kind| (kind.parse_input)(text)).unwrap_or_else(|| Err(unknown()))
    }
}

impl FromStr for OutputPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<OutputPlace, InvalidPlace> {
        let unknown = || InvalidPlace::new(text, format!("expected {}", input_forms()));
        STORES.iter().find_map(|kind| (kind.parse_output)(text)).unwrap_or_else(|| Err(unknown()))
    }
}

/// The place of a store in a folder on this machine.
#[must_use]
pub fn folder(path: &Path) -> StorePlace {
    local::place(path)
}

/// The place of a store in a folder on this machine, whose objects nobody needs after a
/// loss of power.
#[must_use]
pub fn scratch(path: &Path) -> StorePlace {
    local::scratch_place(path)
}

/// The place of inputs that allows all files on this machine.
#[must_use]
pub fn all_files() -> InputPlace {
    local::input_place(Path::new("/"))
}

/// Opens the stores that inputs may lie in: the program's own, and `allowed`.
///
/// # Errors
///
/// If one of them cannot be opened.
pub async fn inputs(
    own: Arc<dyn ObjectStore>,
    allowed: &[InputPlace],
) -> Result<InputStores, OpenError> {
    let mut inputs = InputStores::new(own);
    for place in allowed {
        inputs = inputs.with(place.prefix(), place.open().await?);
    }
    Ok(inputs)
}

/// Opens the stores that results may also be written to. The objects of the program's own
/// store have locations that begin with `own`.
///
/// # Errors
///
/// If one of them cannot be opened.
pub async fn outputs(own: &str, allowed: &[OutputPlace]) -> Result<OutputStores, OpenError> {
    let mut outputs = OutputStores::new(Some(own.to_owned()));
    for place in allowed {
        outputs = outputs.with(place.prefix(), place.open().await?);
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_by_its_place() {
        let embedded: QueuePlace = "embedded".parse().unwrap();
        assert!(!embedded.is_shared());
        assert_eq!(embedded.to_string(), "embedded");
        assert_eq!(QueuePlace::default().to_string(), "embedded");
        for text in ["amqp://user:hunter2@broker:5673/team", "amqps://user:hunter2@broker:5673"] {
            let place: QueuePlace = text.parse().unwrap();
            assert!(place.is_shared());
            assert_eq!((place.to_string(), place.secret_text()), ("broker:5673".to_owned(), text));
            assert!(!format!("{place:?}").contains("hunter2"));
        }
        assert_eq!(queue_forms(), "embedded | amqp://...");
        assert_eq!(shared_queue_forms(), "amqp://...");
    }

    #[test]
    fn a_store_is_a_folder_or_a_bucket() {
        for (text, is_local) in [("data", true), ("/a/b", true), ("s3://bucket/prefix", false)] {
            let place: StorePlace = text.parse().unwrap();
            assert_eq!((place.to_string().as_str(), place.is_local()), (text, is_local));
        }
        let location = |text: &str| text.parse::<StorePlace>().unwrap().location().to_owned();
        assert_eq!(location("/no/such/folder"), "file:///no/such/folder/");
        assert_eq!(location("s3://bucket/prefix"), "s3://bucket/prefix/");
        assert_eq!(store_forms(), "DIR | s3://BUCKET/PREFIX");
    }

    #[test]
    fn inputs_may_lie_below_a_folder_or_in_a_bucket() {
        for (text, prefix, is_local) in [
            ("file:///data", "file:///data/", true),
            ("file:///", "file:///", true),
            ("s3://bucket", "s3://bucket/", false),
            ("s3://bucket/runs/", "s3://bucket/runs/", false),
        ] {
            let place: InputPlace = text.parse().unwrap();
            assert_eq!((place.prefix(), place.is_local()), (prefix, is_local));
        }
        assert_eq!(all_files().prefix(), "file:///");
        assert_eq!(input_forms(), "file:///DIR | s3://BUCKET/PREFIX");
    }

    #[test]
    fn an_invalid_place_is_rejected_with_the_valid_forms_and_without_its_password() {
        let queue = |text: &str| text.parse::<QueuePlace>().unwrap_err().to_string();
        let store = |text: &str| text.parse::<StorePlace>().unwrap_err().to_string();
        let input = |text: &str| text.parse::<InputPlace>().unwrap_err().to_string();
        assert_eq!(
            queue("http://u:hunter2@host"),
            "\"http://***@host\": expected embedded | amqp://..."
        );
        assert_eq!(store("nats://x"), "\"nats://x\": expected DIR | s3://BUCKET/PREFIX");
        assert_eq!(input("data"), "\"data\": expected file:///DIR | s3://BUCKET/PREFIX");
        for text in ["", "amqp", "amqp://u:hunter2@h:port", "amqps://u:hunter2@", "Embedded"] {
            assert!(!queue(text).contains("hunter2"), "{text}");
        }
        for text in ["s3://", "s3://key:hunter2@bucket/a", "s3://u:hunter2@b/../c"] {
            assert!(!store(text).contains("hunter2"), "{text}");
            assert!(!input(text).contains("hunter2"), "{text}");
        }
    }
}
