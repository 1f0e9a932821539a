//! What a handler can learn of the device that has called it.

use crate::{app::cancellable::HasCaller, connection::waits, server::users::conn::Conn};

impl Conn {
    /// In a handler that answers a call of this device: resolves when the caller does not wait any more,
    /// because it has cancelled the call or its device has ended. The handler runs on, and nothing that it
    /// returns is sent. Elsewhere, and for any other device, it resolves when that device has ended.
    ///
    /// The handler may hand the future to a task that it starts. A device that knows no cancelling (one of
    /// another library, or on the subprotocol `ws-messaging`) never cancels. To drop the whole handler when
    /// the caller is gone, see [`cancellable`](crate::cancellable).
    ///
    /// ```
    /// # use wse::{Conn, RpError};
    /// async fn watch(conn: Conn, _: ()) -> Result<(), RpError> {
    ///     let watching = tokio::spawn(async { /* … */ });
    ///     conn.caller_gone().await;
    ///     watching.abort();
    ///     Ok(())
    /// }
    /// ```
    pub fn caller_gone(&self) -> impl Future<Output = ()> + Send + use<> {
        waits::caller_gone(&self.0.handle)
    }
}

impl HasCaller for Conn {
    fn caller_gone(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        Conn::caller_gone(self)
    }
}
