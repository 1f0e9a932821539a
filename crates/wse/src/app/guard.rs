//! A check in front of a handler.

use crate::app::erased::BoxFuture;
use std::future::{Future, ready};
use wse_proto::RpError;

/// Runs a handler only for whom the check lets through; its error is the handler's.
///
/// The check is quick and sees the [`Conn`](crate::Conn) or the [`Client`](crate::Client) alone:
/// what looks at the payload too stands in the handler, and what is asked about every message in
/// [`on_receive`](crate::ServerBuilder::on_receive). The payload is decoded first.
///
/// ```
/// use wse::{Conn, RpError, Server, guard};
///
/// struct Claims { rider: bool }
///
/// fn is_rider(conn: &Conn) -> Result<(), RpError> {
///     let rider = conn.state::<Claims>().is_some_and(|claims| claims.rider);
///     if rider { Ok(()) } else { Err(RpError::new("no-rider")) }
/// }
///
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name).state(Claims { rider: true })))
///     .on("say", guard(is_rider, async |conn, text: String| Ok(println!("{} says {text}", conn.cid()))))
///     .register("fare", guard(is_rider, async |_, km: u32| Ok(km * 2)))
///     .build();
/// ```
pub fn guard<W, P, R, Fut>(
    check: impl Fn(&W) -> Result<(), RpError> + Clone + Send + Sync + 'static,
    handler: impl FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
) -> impl FnOnce(W, P) -> BoxFuture<Result<R, RpError>> + Clone + Send + Sync + 'static
where
    R: Send + 'static,
    Fut: Future<Output = Result<R, RpError>> + Send + 'static,
{
    move |who, what| match check(&who) {
        Ok(()) => Box::pin(handler(who, what)),
        Err(error) => Box::pin(ready(Err(error))),
    }
}
