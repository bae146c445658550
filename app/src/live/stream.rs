//! The stream of server-sent events in the browser.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use protocol::Timestamp;
use protocol::live::LiveEvent;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventSource, MessageEvent, VisibilityState};

use super::{Connection, Contact, WhileHidden, decode_event};
use crate::clock::browser_now;

/// The delay before reopening a stream that the browser has closed, as it does when a
/// response is not an event stream.
const REOPEN_AFTER: Duration = Duration::from_secs(3);
/// How long a stream may be interrupted before the page says so: usually it is open again
/// at once.
const AWAY_AFTER: Duration = Duration::from_secs(1);
/// How often a page looks whether it hears of the server.
const LISTEN_EVERY: Duration = Duration::from_secs(2);
/// How often a hidden tab that peeks opens its stream for a moment.
const PEEK_EVERY: Duration = Duration::from_secs(5);
/// After this time without any event the server counts as away: it says every five
/// seconds that it is there.
const SILENCE_MS: u64 = 13_000;

/// A subscription to a stream, cancelled when dropped.
pub(super) struct Subscription {
    shared: Rc<Shared>,
    visibility: Option<WindowListenerHandle>,
    listening: Option<IntervalHandle>,
    peeking: Option<IntervalHandle>,
}

struct Shared {
    path: String,
    contact: Contact,
    deliver: Box<dyn Fn(Vec<LiveEvent>) -> bool>,
    /// The open stream; `None` while the tab is hidden.
    open: RefCell<Option<Open>>,
    /// Events received since the last frame.
    buffered: RefCell<Vec<LiveEvent>>,
    /// When the server was last heard of.
    heard_at: Cell<Timestamp>,
    /// Since when the stream is interrupted.
    lost_at: Cell<Option<Timestamp>>,
}

/// An open stream and its listeners, closed when dropped.
struct Open {
    source: EventSource,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_change: Closure<dyn Fn(Event)>,
}

impl Subscription {
    pub(super) fn start(
        path: &str,
        contact: Contact,
        while_hidden: WhileHidden,
        deliver: impl Fn(Vec<LiveEvent>) -> bool + 'static,
    ) -> Subscription {
        let shared = Rc::new(Shared {
            path: path.to_owned(),
            contact,
            deliver: Box::new(deliver),
            open: RefCell::new(None),
            buffered: RefCell::new(Vec::new()),
            heard_at: Cell::new(browser_now()),
            lost_at: Cell::new(None),
        });
        shared.open_if_visible();
        let visibility = {
            let shared = Rc::downgrade(&shared);
            window_event_listener_untyped("visibilitychange", move |_| {
                if let Some(shared) = shared.upgrade() {
                    shared.open_if_visible();
                }
            })
        };
        let listening = {
            let shared = Rc::downgrade(&shared);
            let listen = move || {
                if let Some(shared) = shared.upgrade() {
                    shared.listen();
                }
            };
            set_interval_with_handle(listen, LISTEN_EVERY).ok()
        };
        let peeking = (while_hidden == WhileHidden::Peeks).then(|| {
            let shared = Rc::downgrade(&shared);
            let peek = move || {
                if let Some(shared) = shared.upgrade()
                    && is_hidden()
                    && shared.open.borrow().is_none()
                {
                    *shared.open.borrow_mut() = shared.open_stream();
                }
            };
            set_interval_with_handle(peek, PEEK_EVERY).ok()
        });
        Subscription { shared, visibility: Some(visibility), listening, peeking: peeking.flatten() }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listener) = self.visibility.take() {
            listener.remove();
        }
        for interval in [self.listening.take(), self.peeking.take()].into_iter().flatten() {
            interval.clear();
        }
        self.shared.open.take();
    }
}

impl Shared {
    /// Opens the stream if the tab is visible, and closes it otherwise.
    fn open_if_visible(self: &Rc<Self>) {
        if is_hidden() {
            self.open.take();
        } else if self.open.borrow().is_none() {
            self.heard_at.set(browser_now());
            *self.open.borrow_mut() = self.open_stream();
        }
    }

    fn open_stream(self: &Rc<Self>) -> Option<Open> {
        let source = EventSource::new(&self.path).ok()?;
        let on_message = {
            let shared = Rc::downgrade(self);
            Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                shared.heard_at.set(browser_now());
                if let Some(data) = message.data().as_string()
                    && let Some(event) = decode_event(&message.type_(), &data)
                {
                    shared.buffer(event);
                }
            })
        };
        for name in LiveEvent::NAMES.into_iter().chain([LiveEvent::ALIVE]) {
            let _ =
                source.add_event_listener_with_callback(name, on_message.as_ref().unchecked_ref());
        }
        let on_change = {
            let shared = Rc::downgrade(self);
            Closure::<dyn Fn(Event)>::new(move |_| {
                if let Some(shared) = shared.upgrade() {
                    shared.connection_changed();
                }
            })
        };
        let listener = on_change.as_ref().unchecked_ref();
        source.set_onopen(Some(listener));
        source.set_onerror(Some(listener));
        Some(Open { source, _on_message: on_message, _on_change: on_change })
    }

    /// Buffers an event until the next frame.
    fn buffer(self: &Rc<Self>, event: LiveEvent) {
        let is_first = self.buffered.borrow().is_empty();
        self.buffered.borrow_mut().push(event);
        if !is_first {
            return;
        }
        let shared = self.clone();
        let deliver = move || {
            let events = shared.buffered.take();
            // The states of tasks come before their job.
            let is_whole = events.iter().any(|event| !matches!(event, LiveEvent::Tasks(_)));
            // If the stream was closed meanwhile, its page has been left, and its signals
            // are disposed of.
            if shared.open.borrow().is_some() && !(shared.deliver)(events) {
                shared.reopen();
            }
            if is_hidden() && is_whole {
                // It has peeked.
                shared.open.take();
            }
        };
        // A hidden tab draws no frames.
        match is_hidden() {
            true => set_timeout(deliver, Duration::ZERO),
            false => request_animation_frame(deliver),
        }
    }

    /// Opens the stream anew, so that it begins with the whole state.
    fn reopen(self: &Rc<Self>) {
        if self.open.take().is_some() {
            self.open_if_visible();
        }
    }

    fn connection_changed(self: &Rc<Self>) {
        let ready_state = self.open.borrow().as_ref().map(|open| open.source.ready_state());
        match ready_state {
            None => return,
            Some(EventSource::OPEN) => {
                self.heard_at.set(browser_now());
                self.lost_at.set(None);
                let _ = self.contact.connection.try_set(Connection::Live);
                let _ = self.contact.away_since.try_set(None);
            }
            Some(_) => self.lost(browser_now()),
        }
        if ready_state == Some(EventSource::CLOSED) {
            self.after(REOPEN_AFTER, Shared::reopen);
        }
    }

    /// Notes that the stream is interrupted since `lost_at`.
    fn lost(self: &Rc<Self>, lost_at: Timestamp) {
        let _ = self.contact.connection.try_set(Connection::Reconnecting);
        if self.lost_at.get().is_none() {
            self.lost_at.set(Some(lost_at));
            self.after(AWAY_AFTER, move |shared| {
                if shared.lost_at.get() == Some(lost_at) {
                    let _ = shared.contact.away_since.try_set(Some(lost_at));
                }
            });
        }
    }

    /// Opens the stream anew if it is open and the server is silent: the way to it may be
    /// cut without anybody having said so.
    fn listen(self: &Rc<Self>) {
        let heard_at = self.heard_at.get();
        let is_silent = browser_now().millis_since(heard_at) > SILENCE_MS;
        if is_silent && self.open.borrow().is_some() {
            self.lost(heard_at);
            self.reopen();
        }
    }

    fn after(self: &Rc<Self>, delay: Duration, then: impl FnOnce(&Rc<Shared>) + 'static) {
        let shared = Rc::downgrade(self);
        set_timeout(
            move || {
                if let Some(shared) = shared.upgrade() {
                    then(&shared);
                }
            },
            delay,
        );
    }
}

fn is_hidden() -> bool {
    document().visibility_state() == VisibilityState::Hidden
}

impl Drop for Open {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}
