//! The parts of pages that the browser updates: rendered by the server and hydrated
//! by the browser.
//!
//! Their props are passed from the server to the browser as JSON inside the page.

#![allow(missing_docs, reason = "an island's macro makes a struct without documentation")]

pub mod copy_link;
pub mod history;
pub mod job;
pub mod overview;
pub mod parts;
pub mod plan;
pub mod theme_toggle;
pub mod uploads;
pub mod worker;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json;

/// A prop of an island, serialised as a string of JSON. Only the server serialises
/// it and only the browser deserialises it, although the macro of islands requires
/// both of both.
#[derive(Clone, Debug)]
pub struct Given<T>(pub T);

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if cfg!(feature = "ssr") {
            let text = serde_json::to_string(&self.0).map_err(serde::ser::Error::custom)?;
            serializer.serialize_str(&text)
        } else {
            serializer.serialize_unit()
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        json::read(&text).map(Given).map_err(|error| D::Error::custom(error.0))
    }
}
