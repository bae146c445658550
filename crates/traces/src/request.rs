//! The span of the request that is being answered, for what is begun on its behalf.

use protocol::TraceContext;

tokio::task_local! {
    static REQUEST: TraceContext;
}

/// Answers a request, of which this is the span.
pub async fn within<T>(context: TraceContext, answering: impl Future<Output = T>) -> T {
    REQUEST.scope(context, answering).await
}

/// The span of the request that the caller answers; `None` outside of any.
#[must_use]
pub fn current() -> Option<TraceContext> {
    REQUEST.try_with(|context| *context).ok()
}
