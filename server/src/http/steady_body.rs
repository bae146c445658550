//! Bodies of requests that may not stall.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How many bytes have to arrive within the time: fewer count as a stall, so that
/// nobody holds a place by a byte now and then.
const STALL_BYTES: usize = 16 << 10;

/// The error of a body that has stalled.
#[derive(Debug, thiserror::Error)]
#[error("the client has sent next to nothing for {} s", after.as_secs_f32())]
pub(super) struct Stalled {
    after: Duration,
}

/// Whether an error is, or comes from, a body that has stalled.
pub(super) fn is_stalled(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Stalled>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Gives up on bodies that stall.
pub(super) async fn steady(
    State(stall_time): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    next.run(request.map(|body| Body::new(SteadyBody::new(body, stall_time)))).await
}

/// A body that fails once a reader has waited for `stall_time` and fewer than
/// [`STALL_BYTES`] have arrived. While nobody reads, nothing counts.
struct SteadyBody {
    body: Body,
    stall_time: Duration,
    /// When the stall is over, since a reader has begun to wait.
    deadline: Option<Pin<Box<Sleep>>>,
    /// What has arrived since then.
    bytes: usize,
}

impl SteadyBody {
    fn new(body: Body, stall_time: Duration) -> SteadyBody {
        SteadyBody { body, stall_time, deadline: None, bytes: 0 }
    }
}

impl HttpBody for SteadyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                self.bytes += frame.data_ref().map_or(0, Bytes::len);
            }
            if self.bytes >= STALL_BYTES {
                self.deadline = None;
                self.bytes = 0;
            }
            return Poll::Ready(frame);
        }
        let after = self.stall_time;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(after)));
        match deadline.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Some(Err(axum::Error::new(Stalled { after })))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    /// Long enough that a busy machine is not taken for a stall.
    const STALL_TIME: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(40);

    /// What comes of pieces of this size, sent one after the other with pauses.
    async fn outcome(pieces: usize, bytes: usize, pause: Duration) -> Result<usize, axum::Error> {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, std::io::Error>(vec![0; bytes])
        });
        let body = SteadyBody::new(Body::from_stream(pieces), STALL_TIME);
        Ok(body.collect().await?.to_bytes().len())
    }

    #[tokio::test]
    async fn a_body_that_keeps_coming_may_take_longer() {
        assert_eq!(outcome(40, STALL_BYTES, PAUSE).await.unwrap(), 40 * STALL_BYTES);
        assert_eq!(outcome(2, 10, PAUSE).await.unwrap(), 20);
    }

    #[tokio::test]
    async fn a_body_that_stalls_or_drips_fails() {
        for (pieces, bytes, pause) in [(2, STALL_BYTES, 100 * STALL_TIME), (1000, 10, PAUSE)] {
            let error = outcome(pieces, bytes, pause).await.unwrap_err();
            assert!(is_stalled(&error), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_counts_while_nobody_reads() {
        let pieces = [10, STALL_BYTES, 10].map(|bytes| Ok::<_, std::io::Error>(vec![0; bytes]));
        let body = Body::from_stream(stream::iter(pieces));
        let mut body = SteadyBody::new(body, Duration::from_millis(1));
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            sleep(PAUSE).await;
        }
    }
}
