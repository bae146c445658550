//! Server-sent events, which update a page.
//!
//! Every event but those of the states of tasks holds the whole state of its subject, so
//! only the last of several events for one job has to be shown. Events are buffered and
//! delivered once per frame that the browser draws.

mod stream;

use leptos::prelude::*;
use protocol::Timestamp;
use protocol::live::LiveEvent;

use crate::{away, json};

/// The state of the event stream of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not open yet. Without JavaScript it remains so.
    #[default]
    Waiting,
    /// Open: the page receives events.
    Live,
    /// Interrupted: the browser reconnects.
    Reconnecting,
    /// Closed, because no more events follow.
    Over,
}

impl Connection {
    /// The name of the state, shown on the pages and used in `data-state`.
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

/// What a page knows of its event stream.
#[derive(Clone, Copy)]
pub struct Contact {
    /// The state of the stream.
    pub connection: RwSignal<Connection>,
    /// Since when nothing has been heard of the server, by the browser's clock, if the
    /// stream is interrupted for longer than a moment.
    pub away_since: RwSignal<Option<Timestamp>>,
}

/// What a page in a hidden tab does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileHidden {
    /// Nothing.
    Rests,
    /// It looks now and then.
    Peeks,
}

/// Subscribes to the event stream at `path` until the page is left or `is_over` is
/// true. `on_event` returns whether it could use an event; if not, the stream is opened
/// again, and begins with the whole state.
///
/// It does nothing in the server. A hidden tab closes its stream, because a browser
/// opens at most six connections per server; it reopens the stream with the whole
/// state when it becomes visible. Meanwhile it may peek: open the stream now and then, until
/// the first event.
pub fn subscribe(
    path: String,
    is_over: Option<Memo<bool>>,
    while_hidden: WhileHidden,
    on_event: impl Fn(LiveEvent) -> bool + 'static,
) -> Contact {
    let connection = RwSignal::new(Connection::default());
    let contact = Contact { connection, away_since: RwSignal::new(None) };
    away::follow(contact.away_since);
    let on_event = std::rc::Rc::new(on_event);
    // Effects run only in the browser.
    Effect::new(move || {
        if is_over.is_some_and(|is_over| is_over.get()) {
            connection.set(Connection::Over);
            contact.away_since.set(None);
        } else {
            let on_event = on_event.clone();
            let deliver = move |events: Vec<LiveEvent>| {
                without_superseded(events).into_iter().all(&*on_event)
            };
            // Owned by this effect: dropped when it runs again, or with the page.
            StoredValue::new_local(stream::Subscription::start(
                &path,
                contact,
                while_hidden,
                deliver,
            ));
        }
    });
    contact
}

/// Decodes an event from its name and data. Returns `None` for unknown events, and
/// logs an error for invalid data.
fn decode_event(name: &str, data: &str) -> Option<LiveEvent> {
    let event = match name {
        LiveEvent::SNAPSHOT => json::read(data).map(LiveEvent::Snapshot),
        LiveEvent::JOB => json::read(data).map(LiveEvent::Job),
        LiveEvent::JOB_DELETED => json::read(data).map(LiveEvent::JobDeleted),
        LiveEvent::WORKERS => json::read(data).map(LiveEvent::Workers),
        LiveEvent::TASKS => json::read(data).map(LiveEvent::Tasks),
        _ => return None,
    };
    event
        .inspect_err(|error| {
            leptos::logging::error!("event {name} cannot be decoded: expected {error}");
        })
        .ok()
}

/// Removes the events that a later event supersedes. The others keep their order.
fn without_superseded(events: Vec<LiveEvent>) -> Vec<LiveEvent> {
    let start =
        events.iter().rposition(|event| matches!(event, LiveEvent::Snapshot(_))).unwrap_or(0);
    let mut kept: Vec<LiveEvent> = Vec::new();
    for event in events.into_iter().skip(start).rev() {
        if !kept.iter().any(|later| has_same_subject(later, &event)) {
            kept.push(event);
        }
    }
    kept.reverse();
    kept
}

/// Whether two events concern the same job, or both the workers.
fn has_same_subject(one: &LiveEvent, other: &LiveEvent) -> bool {
    let job_of = |event: &LiveEvent| match event {
        LiveEvent::Job(job) => Some(job.id),
        LiveEvent::JobDeleted(id) => Some(*id),
        // Changes of the states of tasks build upon each other.
        LiveEvent::Snapshot(_) | LiveEvent::Workers(_) | LiveEvent::Tasks(_) => None,
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
    fn only_the_last_state_of_each_subject_is_kept() {
        let kept = without_superseded(vec![
            workers(1),
            LiveEvent::JobDeleted(id(1)),
            workers(2),
            LiveEvent::JobDeleted(id(2)),
            LiveEvent::JobDeleted(id(1)),
        ]);
        assert_eq!(kept, [workers(2), LiveEvent::JobDeleted(id(2)), LiveEvent::JobDeleted(id(1))]);
    }

    #[test]
    fn a_snapshot_supersedes_all_earlier_events() {
        let snapshot = LiveEvent::Snapshot(Box::default());
        let kept = without_superseded(vec![workers(1), snapshot.clone(), workers(2)]);
        assert_eq!(kept, [snapshot, workers(2)]);
    }
}
