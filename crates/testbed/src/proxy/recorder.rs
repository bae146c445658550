//! Which HTTP requests have passed a proxy, and which have been answered.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A request that has passed, or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The status of an answer that has reached the client; `None` for the request, which
    /// comes first.
    pub status: Option<u16>,
    /// When it passed.
    pub at: Instant,
}

/// Records the requests with some methods.
pub(super) struct Recorder {
    methods: &'static [&'static str],
    exchanges: Mutex<Vec<Exchange>>,
}

/// The requests of one connection. A client sends one after the other, so a head begins
/// where a read begins.
pub(super) struct Conversation<'a> {
    recorder: &'a Recorder,
    open: Mutex<Open>,
}

/// What is not recorded yet of a connection.
#[derive(Default)]
struct Open {
    /// Not answered.
    request: Option<Exchange>,
    /// Answered. That the client has received it, its next request shows.
    answer: Option<Exchange>,
}

impl Recorder {
    pub(super) fn new(methods: &'static [&'static str]) -> Recorder {
        Recorder { methods, exchanges: Mutex::default() }
    }

    /// What was recorded since the last call.
    pub(super) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn conversation(&self) -> Conversation<'_> {
        Conversation { recorder: self, open: Mutex::default() }
    }

    fn record(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }
}

impl Conversation<'_> {
    /// Notes bytes of the client.
    pub(super) fn sent(&self, bytes: &[u8]) {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else { return };
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return;
        };
        if !version.starts_with("HTTP/1") {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = open.answer.take() {
            self.recorder.record(answer);
        }
        open.request = None;
        if self.recorder.methods.contains(&method) {
            let (method, target) = (method.to_owned(), target.to_owned());
            let request = Exchange { method, target, status: None, at: Instant::now() };
            self.recorder.record(request.clone());
            open.request = Some(request);
        }
    }

    /// Notes bytes of the server that have been passed on.
    pub(super) fn received(&self, bytes: &[u8]) {
        let Some(rest) = bytes.strip_prefix(b"HTTP/1.1 ") else { return };
        let status = rest.get(..3).and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
        // 100 is not the answer yet.
        let Some(status) = status.filter(|status| *status >= 200) else { return };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = open.request.take() {
            open.answer = Some(Exchange { status: Some(status), at: Instant::now(), ..request });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(recorder: &Recorder) -> Vec<(String, Option<u16>)> {
        recorder.take().into_iter().map(|it| (it.target, it.status)).collect()
    }

    #[test]
    fn an_answer_counts_once_the_next_request_shows_that_it_has_arrived() {
        let recorder = Recorder::new(&["PUT"]);
        let conversation = recorder.conversation();
        conversation.sent(b"PUT /a/b?x-id=PutObject HTTP/1.1\r\nhost: x\r\n\r\nbody");
        conversation.sent(b"the rest of the body");
        conversation.received(b"HTTP/1.1 100 Continue\r\n\r\n");
        conversation.received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let put = "/a/b?x-id=PutObject".to_owned();
        assert_eq!(taken(&recorder), [(put.clone(), None)]);
        conversation.sent(b"GET /a/b HTTP/1.1\r\n\r\n");
        assert_eq!(taken(&recorder), [(put, Some(200))]);
        conversation.received(b"HTTP/1.1 404 Not Found\r\n\r\n");
        conversation.sent(b"PUT /c HTTP/1.1\r\n\r\n");
        assert_eq!(taken(&recorder), [("/c".to_owned(), None)], "a GET is not recorded");
    }
}
