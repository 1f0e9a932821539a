//! Handlers that do not outlive the interest in their result.

use crate::app::erased::BoxFuture;
use futures_util::{
    FutureExt,
    future::{Either, lazy, select},
};
use std::{future::Future, pin::pin};
use wse_proto::{Code, RpError};

/// For whom a handler runs: a `Conn` or a `Client`.
pub trait HasCaller: Clone + Send + 'static {
    /// Resolves when the caller of the handler that asks does not wait any more.
    fn caller_gone(&self) -> impl Future<Output = ()> + Send + 'static + use<Self>;
}

/// Makes a handler one that ends with the interest in its result: its future is dropped when the caller has
/// cancelled the call, by a timeout of its own or by dropping its future, or when the connection has ended.
/// A handler of a message ends with the connection. Without it, a handler that has begun runs to its end.
///
/// The future is dropped where it awaits, so everything that it owns is dropped too, and nothing behind
/// that `await` runs. What has to happen in any case belongs into a `Drop`, or into a task of its own.
///
/// ```
/// use wse::{Conn, RpError, Server, cancellable};
///
/// async fn search(_: Conn, words: String) -> Result<Vec<String>, RpError> {
///     tokio::time::sleep(std::time::Duration::from_secs(5)).await; // a database at work
///     Ok(vec![words])
/// }
///
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("search", cancellable(search))
///     .build();
/// ```
pub fn cancellable<W, P, R, Fut>(
    handler: impl FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
) -> impl FnOnce(W, P) -> BoxFuture<Result<R, RpError>> + Clone + Send + Sync + 'static
where
    W: HasCaller,
    Fut: Future<Output = Result<R, RpError>> + Send + 'static,
{
    move |who, what| {
        let caller = who.clone();
        let run = handler(who, what);
        Box::pin(async move {
            // Looked at behind the handler: most end at once, and nobody has to be told of them.
            let gone = lazy(move |_| caller.caller_gone()).flatten();
            match select(pin!(run), pin!(gone)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Err(RpError::new(Code::RP_ABORTED)),
            }
        })
    }
}
