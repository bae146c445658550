//! Which partial sums have been written, and which of them twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testbed::Exchange;

/// Two attempts at a task may run beside each other: a speculative one, and one whose
/// worker was frozen, cut off or could not write for as long as this. An attempt that
/// begins later finds what is stored.
const BESIDE_MAX: Duration = Duration::from_secs(90);

/// The writes of partial sums that have passed the proxy.
#[derive(Default)]
pub(crate) struct Writes {
    /// What happened, and to which key.
    events: Vec<(Instant, String, Event)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Written,
    /// Deleted, or harmed: it has to be computed again.
    Lost,
}

/// A partial sum that was written although it was there.
struct Twice {
    key: String,
    at: Instant,
    after: Duration,
}

impl Writes {
    /// Notes what has passed the proxy.
    pub(crate) fn note(&mut self, exchanges: Vec<Exchange>) {
        for Exchange { method, target, status, at } in exchanges {
            let Some(key) = segment(&target) else { continue };
            // What was asked to be deleted may be gone, whatever the answer.
            let event = match (method.as_str(), status) {
                ("PUT", Some(200)) => Event::Written,
                ("DELETE", None) => Event::Lost,
                _ => continue,
            };
            self.events.push((at, key.to_owned(), event));
        }
    }

    /// Notes that a partial sum is about to be harmed.
    pub(crate) fn harm(&mut self, url: &str) {
        if let Some(key) = segment(url) {
            self.events.push((Instant::now(), key.to_owned(), Event::Lost));
        }
    }

    /// How many partial sums were written.
    pub(crate) fn count(&self) -> usize {
        self.events.iter().filter(|(_, _, event)| *event == Event::Written).count()
    }

    /// How many partial sums were written in a span although they were there.
    pub(crate) fn twice(&self, from: Instant, to: Instant) -> usize {
        self.repeated().iter().filter(|it| (from..to).contains(&it.at)).count()
    }

    /// What no attempts beside each other explain.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut repeated = self.repeated();
        repeated.retain(|it| it.after > BESIDE_MAX);
        let text = |it: Twice| {
            format!("{} was computed again {} s after it was stored", it.key, it.after.as_secs())
        };
        repeated.into_iter().map(text).collect()
    }

    fn repeated(&self) -> Vec<Twice> {
        // Answers are noted later than they passed.
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|(at, _, _)| *at);
        let mut written: BTreeMap<&str, Instant> = BTreeMap::new();
        let mut repeated = Vec::new();
        for (at, key, event) in events {
            let before = written.remove(key.as_str());
            if *event == Event::Lost {
                continue;
            }
            if let Some(before) = before {
                let after = at.duration_since(before);
                repeated.push(Twice { key: key.clone(), at: *at, after });
            }
            written.insert(key, *at);
        }
        repeated
    }
}

/// The key of a partial sum, without the bucket, if this is one.
fn segment(target: &str) -> Option<&str> {
    let (_, key) = target.split_once("/jobs/")?;
    let key = key.split('?').next()?;
    key.contains("/sums/").then_some(key)
}
