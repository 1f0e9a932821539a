//! What a client's handler can learn of the server that has called it.

use crate::{app::cancellable::HasCaller, client::Client, connection::waits};

impl Client {
    /// In a handler that answers a call of the server: resolves when the caller does not wait any more,
    /// because it has cancelled the call or the connection has ended, and with it its session. Elsewhere it
    /// resolves when the connection has ended, at once where there is none. See
    /// [`Conn::caller_gone`](crate::Conn::caller_gone).
    pub fn caller_gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let gone = self.handle().map(|handle| waits::caller_gone(&handle));
        async move {
            if let Some(gone) = gone {
                gone.await;
            }
        }
    }
}

impl HasCaller for Client {
    fn caller_gone(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        Client::caller_gone(self)
    }
}
