//! The browser's stream of server-sent events.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use protocol::live::LiveEvent;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventSource, MessageEvent, VisibilityState};

use super::{Connection, read_event};

/// How long to wait before a stream is opened anew that the browser has given
/// up on, as it does when an answer is not a stream of events.
const REOPEN_AFTER: Duration = Duration::from_secs(3);

/// Follows a stream until it is dropped.
pub(super) struct Following {
    shared: Rc<Shared>,
    visibility: Option<WindowListenerHandle>,
}

struct Shared {
    path: String,
    connection: RwSignal<Connection>,
    hand_on: Box<dyn Fn(Vec<LiveEvent>)>,
    /// The open stream; `None` while the tab is not looked at.
    open: RefCell<Option<Open>>,
    /// Events that came since the last frame.
    gathered: RefCell<Vec<LiveEvent>>,
}

/// An open stream and what listens to it, closed when dropped.
struct Open {
    source: EventSource,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_change: Closure<dyn Fn(Event)>,
}

impl Following {
    pub(super) fn start(
        path: &str,
        connection: RwSignal<Connection>,
        hand_on: impl Fn(Vec<LiveEvent>) + 'static,
    ) -> Following {
        let shared = Rc::new(Shared {
            path: path.to_owned(),
            connection,
            hand_on: Box::new(hand_on),
            open: RefCell::new(None),
            gathered: RefCell::new(Vec::new()),
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
        Following { shared, visibility: Some(visibility) }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(listener) = self.visibility.take() {
            listener.remove();
        }
        self.shared.open.take();
    }
}

impl Shared {
    /// Opens the stream if the tab is looked at and closes it if it is not.
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
                    && let Some(event) = read_event(&message.type_(), &data)
                {
                    shared.gather(event);
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

    /// Keeps an event for the next frame.
    fn gather(self: &Rc<Self>, event: LiveEvent) {
        let is_first = self.gathered.borrow().is_empty();
        self.gathered.borrow_mut().push(event);
        if is_first {
            let shared = self.clone();
            request_animation_frame(move || {
                let events = shared.gathered.take();
                // A stream that was closed in the meantime belongs to a page
                // that is gone, and so do the signals its events would change.
                if shared.open.borrow().is_some() {
                    (shared.hand_on)(events);
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
