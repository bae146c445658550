//! Server-sent events, which change a page once it is there.
//!
//! Every event is the whole state of what it names, so of several for one job
//! only the last has to be shown: events are gathered and handed on once for
//! each frame that the browser draws, however many came.

mod stream;

use std::collections::HashSet;

use leptos::prelude::*;
use protocol::live::LiveEvent;
use serde::de::DeserializeOwned;

/// How a page hears of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// It does not yet, and without JavaScript never will.
    #[default]
    Waiting,
    /// As they happen.
    Live,
    /// The stream broke; the browser is trying again.
    Reconnecting,
    /// There is nothing more to hear.
    Over,
}

impl Connection {
    /// The one word for it, as it is shown and as it stands in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Connection::Waiting => "waiting",
            Connection::Live => "live",
            Connection::Reconnecting => "reconnecting",
            Connection::Over => "over",
        }
    }
}

/// Follows the events at `path` for as long as the page is there, and until
/// `is_over` says that there is nothing more to hear.
///
/// Nothing happens in the server. A tab that is not looked at lets go of its
/// connection, of which a browser has only six for a server, and takes it up
/// again with the whole state.
pub fn follow(
    path: String,
    is_over: Signal<bool>,
    on_event: impl Fn(LiveEvent) + 'static,
) -> Signal<Connection> {
    let connection = RwSignal::new(Connection::default());
    let on_event = std::rc::Rc::new(on_event);
    // Effects run in the browser only.
    Effect::new(move || {
        if is_over.get() {
            connection.set(Connection::Over);
        } else {
            let on_event = on_event.clone();
            let hand_on = move |events: Vec<LiveEvent>| {
                for event in without_outdated(events) {
                    on_event(event);
                }
            };
            // Owned by this effect: dropped when it runs again, or with the page.
            StoredValue::new_local(stream::Following::start(&path, connection, hand_on));
        }
    });
    connection.into()
}

/// Reads an event from its name and data; `None` if it is of a kind that this
/// page does not know.
fn read_event(name: &str, data: &str) -> Option<LiveEvent> {
    fn read<T: DeserializeOwned>(data: &str) -> Option<T> {
        serde_json::from_str(data).ok()
    }
    match name {
        "snapshot" => read(data).map(LiveEvent::Snapshot),
        "job" => read(data).map(LiveEvent::Job),
        "job-deleted" => read(data).map(LiveEvent::JobDeleted),
        "workers" => read(data).map(LiveEvent::Workers),
        _ => None,
    }
}

/// Leaves out the events that a later one makes outdated; the others keep
/// their order.
fn without_outdated(events: Vec<LiveEvent>) -> Vec<LiveEvent> {
    let start =
        events.iter().rposition(|event| matches!(event, LiveEvent::Snapshot(_))).unwrap_or(0);
    let mut jobs_seen = HashSet::new();
    let mut workers_seen = false;
    let mut kept: Vec<LiveEvent> = events
        .into_iter()
        .skip(start)
        .rev()
        .filter(|event| match event {
            LiveEvent::Snapshot(_) => true,
            LiveEvent::Job(job) => jobs_seen.insert(job.id),
            LiveEvent::JobDeleted(id) => jobs_seen.insert(*id),
            LiveEvent::Workers(_) => !std::mem::replace(&mut workers_seen, true),
        })
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::live::Overview;
    use protocol::worker::PoolSnapshot;
    use protocol::{JobId, Timestamp};

    fn workers(desired: u32) -> LiveEvent {
        LiveEvent::Workers(Box::new(PoolSnapshot { desired, ..PoolSnapshot::default() }))
    }

    fn id(random: u128) -> JobId {
        JobId::from_parts(Timestamp::from_millis(1), random)
    }

    #[test]
    fn every_name_on_the_wire_is_read() {
        let id = id(1);
        for (event, data) in [
            (
                LiveEvent::Snapshot(Box::default()),
                serde_json::to_string(&Overview::default()).unwrap(),
            ),
            (LiveEvent::JobDeleted(id), serde_json::to_string(&id).unwrap()),
            (
                workers(3),
                serde_json::to_string(&PoolSnapshot { desired: 3, ..PoolSnapshot::default() })
                    .unwrap(),
            ),
        ] {
            assert_eq!(read_event(event.name(), &data), Some(event));
        }
    }

    #[test]
    fn an_event_of_a_later_version_is_passed_over() {
        assert_eq!(read_event("weather", "{}"), None);
        assert_eq!(read_event("job", "not JSON"), None);
    }

    #[test]
    fn only_the_last_state_of_each_thing_is_kept() {
        let kept = without_outdated(vec![
            workers(1),
            LiveEvent::JobDeleted(id(1)),
            workers(2),
            LiveEvent::JobDeleted(id(2)),
            LiveEvent::JobDeleted(id(1)),
        ]);
        assert_eq!(kept, [workers(2), LiveEvent::JobDeleted(id(2)), LiveEvent::JobDeleted(id(1))]);
    }

    #[test]
    fn a_snapshot_makes_all_before_it_outdated() {
        let snapshot = LiveEvent::Snapshot(Box::default());
        let kept = without_outdated(vec![workers(1), snapshot.clone(), workers(2)]);
        assert_eq!(kept, [snapshot, workers(2)]);
    }
}
