//! The stream of server-sent events in the browser.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use protocol::live::LiveEvent;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventSource, MessageEvent, VisibilityState};

use super::{Connection, decode_event};

/// The delay before reopening a stream that the browser has closed, as it does when a
/// response is not an event stream.
const REOPEN_AFTER: Duration = Duration::from_secs(3);

/// A subscription to a stream, cancelled when dropped.
pub(super) struct Subscription {
    shared: Rc<Shared>,
    visibility: Option<WindowListenerHandle>,
}

struct Shared {
    path: String,
    connection: RwSignal<Connection>,
    deliver: Box<dyn Fn(Vec<LiveEvent>)>,
    /// The open stream; `None` while the tab is hidden.
    open: RefCell<Option<Open>>,
    /// Events received since the last frame.
    buffered: RefCell<Vec<LiveEvent>>,
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
        connection: RwSignal<Connection>,
        deliver: impl Fn(Vec<LiveEvent>) + 'static,
    ) -> Subscription {
        let shared = Rc::new(Shared {
            path: path.to_owned(),
            connection,
            deliver: Box::new(deliver),
            open: RefCell::new(None),
            buffered: RefCell::new(Vec::new()),
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
        Subscription { shared, visibility: Some(visibility) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listener) = self.visibility.take() {
            listener.remove();
        }
        self.shared.open.take();
    }
}

impl Shared {
    /// Opens the stream if the tab is visible, and closes it otherwise.
    fn open_if_visible(self: &Rc<Self>) {
        if document().visibility_state() == VisibilityState::Hidden {
            self.open.take();
        } else if self.open.borrow().is_none() {
            *self.open.borrow_mut() = self.open_stream();
        }
    }

    fn open_stream(self: &Rc<Self>) -> Option<Open> {
        let source = EventSource::new(&self.path).ok()?;
        let on_message = {
            let shared = Rc::downgrade(self);
            Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
                if let (Some(shared), Some(data)) = (shared.upgrade(), message.data().as_string())
                    && let Some(event) = decode_event(&message.type_(), &data)
                {
                    shared.buffer(event);
                }
            })
        };
        for name in LiveEvent::NAMES {
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
        if is_first {
            let shared = self.clone();
            request_animation_frame(move || {
                let events = shared.buffered.take();
                // If the stream was closed meanwhile, its page has been left, and its
                // signals are disposed of.
                if shared.open.borrow().is_some() {
                    (shared.deliver)(events);
                }
            });
        }
    }

    fn connection_changed(self: &Rc<Self>) {
        let ready_state = self.open.borrow().as_ref().map(|open| open.source.ready_state());
        let connection = match ready_state {
            None => return,
            Some(EventSource::OPEN) => Connection::Live,
            Some(_) => Connection::Reconnecting,
        };
        let _ = self.connection.try_set(connection);
        if ready_state == Some(EventSource::CLOSED) {
            let shared = Rc::downgrade(self);
            set_timeout(
                move || {
                    if let Some(shared) = shared.upgrade()
                        && shared.open.take().is_some()
                    {
                        shared.open_if_visible();
                    }
                },
                REOPEN_AFTER,
            );
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}
