//! Server-sent events, which change a page once it is there.
//!
//! Every event is the whole state of what it names, so of several for one job
//! only the last has to be shown: events are gathered and handed on once for
//! each frame that the browser draws, however many came.

mod stream;

use leptos::prelude::*;
use protocol::live::LiveEvent;

use crate::json;

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

/// Follows the events at `path` for as long as the page is there, or until
/// `is_over` says that there is nothing more to hear.
///
/// Nothing happens in the server. A tab that is not looked at lets go of its
/// connection, of which a browser has only six for a server, and takes it up
/// again with the whole state.
pub fn follow(
    path: String,
    is_over: Option<Memo<bool>>,
    on_event: impl Fn(LiveEvent) + 'static,
) -> RwSignal<Connection> {
    let connection = RwSignal::new(Connection::default());
    let on_event = std::rc::Rc::new(on_event);
    // Effects run in the browser only.
    Effect::new(move || {
        if is_over.is_some_and(|is_over| is_over.get()) {
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
    connection
}

/// Reads an event from its name and data. An event of a kind that this page
/// does not know is no event; data that cannot be read is told to the console.
fn read_event(name: &str, data: &str) -> Option<LiveEvent> {
    let event = match name {
        LiveEvent::SNAPSHOT => json::read(data).map(LiveEvent::Snapshot),
        LiveEvent::JOB => json::read(data).map(LiveEvent::Job),
        LiveEvent::JOB_DELETED => json::read(data).map(LiveEvent::JobDeleted),
        LiveEvent::WORKERS => json::read(data).map(LiveEvent::Workers),
        _ => return None,
    };
    event
        .inspect_err(|unreadable| {
            leptos::logging::error!("an event {name} cannot be read: no {unreadable}");
        })
        .ok()
}

/// Leaves out the events that a later one makes outdated; the others keep
/// their order.
fn without_outdated(events: Vec<LiveEvent>) -> Vec<LiveEvent> {
    let start =
        events.iter().rposition(|event| matches!(event, LiveEvent::Snapshot(_))).unwrap_or(0);
    let mut kept: Vec<LiveEvent> = Vec::new();
    for event in events.into_iter().skip(start).rev() {
        if !kept.iter().any(|later| is_of_same(later, &event)) {
            kept.push(event);
        }
    }
    kept.reverse();
    kept
}

/// Whether two events are of the same job, or both of the workers.
fn is_of_same(one: &LiveEvent, other: &LiveEvent) -> bool {
    let job_of = |event: &LiveEvent| match event {
        LiveEvent::Job(job) => Some(job.id),
        LiveEvent::JobDeleted(id) => Some(*id),
        LiveEvent::Snapshot(_) | LiveEvent::Workers(_) => None,
    };
    match (one, other) {
        (LiveEvent::Workers(_), LiveEvent::Workers(_)) => true,
        _ => job_of(one).is_some() && job_of(one) == job_of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::worker::PoolSnapshot;
    use protocol::{JobId, Timestamp};

    fn workers(desired: u32) -> LiveEvent {
        LiveEvent::Workers(Box::new(PoolSnapshot { desired, ..PoolSnapshot::default() }))
    }

    fn id(random: u128) -> JobId {
        JobId::from_parts(Timestamp::from_millis(1), random)
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
