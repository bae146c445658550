//! Requests as lists, pages and events show them: no longer than a few kilobytes.

use serde::{Deserialize, Serialize};

use super::{
    Inputs, JobRequest, LOCATION_BYTES_MAX, NAME_BYTES_MAX, OBJECTS_SHOWN, Webhook, Weights,
    is_unprintable,
};

/// The maximum length of all locations that a list shows, in bytes. One location of
/// any valid length fits.
const SHOWN_BYTES_MAX: usize = LOCATION_BYTES_MAX;

/// A long list of objects: their number and the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Shortened {
    /// The number of objects in the list.
    pub count: u64,
    /// The first objects of the list, at most 16.
    pub first: Vec<String>,
}

impl JobRequest {
    /// The request without what makes it long: a list of more than [`OBJECTS_SHOWN`]
    /// objects becomes [`Inputs::Shortened`], and texts that earlier versions allowed
    /// to be longer are cut. The path of a webhook is left out. Its size does not depend on
    /// the number of objects.
    #[must_use]
    pub fn shortened(self) -> JobRequest {
        let inputs = match self.inputs {
            Inputs::Objects(locations) => shortened_list(locations),
            Inputs::Prefix(prefix) => Inputs::Prefix(cut(prefix, LOCATION_BYTES_MAX)),
            short @ (Inputs::Generate(_) | Inputs::Manifest(_) | Inputs::Shortened(_)) => short,
        };
        let weights = self.weights.map(Weights::shortened);
        let webhook = self.webhook.map(Webhook::shortened);
        JobRequest { inputs, weights, webhook, ..self }.with_short_name()
    }

    /// The request with at most [`NAME_BYTES_MAX`] bytes of its name, without control
    /// characters.
    #[must_use]
    pub(super) fn with_short_name(self) -> JobRequest {
        let printable = |name: String| name.chars().filter(|&c| !is_unprintable(c)).collect();
        let name = self.name.map(|name| cut(printable(name), NAME_BYTES_MAX));
        JobRequest { name, ..self }
    }

    /// Whether it is a [`JobRequest::shortened`] one that lacks some of its objects or
    /// weights.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        matches!(self.inputs, Inputs::Shortened(_))
            || matches!(self.weights, Some(Weights::Shortened(_)))
    }
}

fn shortened_list(locations: Vec<String>) -> Inputs {
    let mut bytes = 0;
    let shown = locations
        .iter()
        .take(OBJECTS_SHOWN)
        .take_while(|location| {
            bytes += location.len();
            bytes <= SHOWN_BYTES_MAX
        })
        .count();
    if shown == locations.len() {
        return Inputs::Objects(locations);
    }
    let count = locations.len() as u64;
    Inputs::Shortened(Shortened { count, first: locations.into_iter().take(shown).collect() })
}

/// At most `most` bytes of a text, whole characters.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(count: usize, bytes: usize) -> JobRequest {
        JobRequest::new(Inputs::Objects(vec!["a".repeat(bytes); count])).shortened()
    }

    #[test]
    fn a_list_is_shown_as_it_is_up_to_16_objects() {
        assert!(matches!(listed(16, 10).inputs, Inputs::Objects(all) if all.len() == 16));
        let Inputs::Shortened(shortened) = listed(17, 10).inputs else { panic!("not shortened") };
        assert_eq!((shortened.count, shortened.first.len()), (17, 16));
    }

    #[test]
    fn a_list_of_long_locations_shows_as_many_as_fit() {
        let Inputs::Shortened(shortened) = listed(16, 1000).inputs else { panic!("whole") };
        assert_eq!((shortened.count, shortened.first.len()), (16, 4));
        assert!(matches!(listed(1, 4096).inputs, Inputs::Objects(_)));
    }

    #[test]
    fn a_shortened_list_cannot_be_submitted() {
        let json = serde_json::to_string(&listed(17, 1)).unwrap();
        let request: JobRequest = serde_json::from_str(&json).unwrap();
        assert!(request.is_shortened());
        let rejection = request.validate().unwrap_err();
        assert_eq!(rejection.field.as_deref(), Some("inputs.shortened"));
        assert!(rejection.remedy.contains("rerun"), "{rejection}");
    }

    #[test]
    fn texts_of_earlier_versions_are_cut_at_a_character() {
        let mut request = JobRequest::new(Inputs::Prefix("é".repeat(5000)));
        request.name = Some(format!("a{}", "é".repeat(5000)));
        let shortened = request.shortened();
        assert_eq!(shortened.name.map(|name| name.len()), Some(199));
        assert!(matches!(shortened.inputs, Inputs::Prefix(prefix) if prefix.len() == 4096));
    }
}
