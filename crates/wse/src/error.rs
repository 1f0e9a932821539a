//! The errors of the public API: one small enum for each verb, each with the code that both languages
//! compare. No error may hold a payload or an identity.

use std::time::Duration;
use wse_proto::{Closed, Code, DecodeError, EncodeError, Hint, Protocol, RpError};

/// A message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended or is ending. For a client: it is not ready.
    #[error("not connected")]
    NotReady,
    /// The frame alone is larger than the connection's whole queue ([`Limits::queue_bytes`](crate::Limits::queue_bytes)),
    /// or the message is larger than the server takes, as the welcome of a client's session has told.
    #[error("a frame of {0} bytes is larger than the send queue or than the peer takes")]
    TooBig(usize),
    /// The queue of the connection is full ([`Limits::queue_bytes_max`](crate::Limits::queue_bytes_max)):
    /// the connection is being closed as slow, with 1013 `wse.slow`. Without a connection: the session
    /// keeps more than its limit, and has ended.
    #[error("the send queue is full, the peer reads too slowly")]
    Slow,
    /// The payload does not encode, or the protocol of that connection cannot carry the name.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The application's `on_send` hook has stopped it.
    #[error("stopped: {0}")]
    Stopped(RpError),
    /// It was sent, but its arrival cannot be confirmed any more: there is no session, or the session
    /// ended before. Only [`Receipt::delivered`](crate::Receipt::delivered) returns this.
    #[error("delivery was not confirmed")]
    Unconfirmed,
    /// Its time to live was over before it could be sent ([`Msg::ttl`](crate::Msg::ttl)). Only
    /// [`Receipt::delivered`](crate::Receipt::delivered) and `send_when_ready` return this.
    #[error("the message was too old before it could be sent")]
    Expired,
}

impl SendError {
    /// The code of this error.
    pub fn code(&self) -> &str {
        match self {
            SendError::NotReady => Code::NOT_READY,
            SendError::TooBig(_) | SendError::Slow | SendError::Unconfirmed | SendError::Expired => Code::WS_ERROR,
            SendError::Encode(_) => Code::RP_INVALID,
            SendError::Stopped(error) => &error.code,
        }
    }
}

/// A call did not return a result.
///
/// ```
/// use wse::{CallError, Conn};
///
/// # async fn example(conn: Conn) {
/// match conn.call::<_, String>("whoami", ()).await {
///     Ok(name) => println!("{name}"),
///     Err(CallError::Failed(error)) => println!("it said no: {}", error.code),
///     Err(CallError::Disconnected { closed }) => println!("no answer, the connection has ended: {closed}"),
///     Err(CallError::TimedOut) => println!("no answer"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer came in time. A later one is ignored.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer. Whether the procedure ran is unknown.
    #[error("disconnected before the answer: {closed}")]
    Disconnected {
        /// How it ended: 1006 without a close frame.
        closed: Closed,
    },
    /// The call was not sent: there is no connection.
    #[error("not connected")]
    NotReady,
    /// The call was not sent: too many calls are in flight ([`Limits::calls_per_conn`](crate::Limits::calls_per_conn)).
    #[error("too many calls in flight")]
    Busy,
    /// The device's server, another one of the cluster, was lost before the answer. Whether the procedure ran is
    /// unknown.
    #[error("the server of the device was lost before the answer")]
    NodeLost,
    /// The call was not sent: the device is at another server of the cluster, and no other server is reached at
    /// this moment.
    #[error("the server of the device is not reached")]
    Unreachable,
    /// The peer has no procedure of that name. The error has the peer's details, if it sent some: npm
    /// `wse` 5 and this library name the procedure there.
    #[error("not registered")]
    NotRegistered(RpError),
    /// The procedure failed.
    #[error("{0}")]
    Failed(RpError),
    /// The result is not of the expected type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The call was not sent: the argument does not encode, or is too big.
    #[error("not sent: {0}")]
    Send(SendError),
}

impl CallError {
    /// The code of this error. For a call that failed it is the code of the procedure's error.
    pub fn code(&self) -> &str {
        match self {
            CallError::TimedOut => Code::RP_TIMEOUT,
            CallError::Disconnected { .. } => Code::RP_DISCONNECT,
            CallError::NotReady => Code::NOT_READY,
            CallError::Busy => Code::RP_BUSY,
            CallError::NodeLost => Code::NODE_LOST,
            CallError::Unreachable => Code::UNREACHABLE,
            CallError::NotRegistered(_) => Code::RP_NOT_REGISTERED,
            CallError::Failed(error) => &error.code,
            CallError::Decode(_) => Code::RP_INVALID,
            CallError::Send(SendError::Stopped(error)) => &error.code,
            CallError::Send(_) => Code::RP_SEND_FAILED,
        }
    }

    /// Makes the answer of this handler of a call that it made itself. What the other procedure failed with
    /// is passed on to the caller, with its code, text and details. Everything else, such as a timeout, is a
    /// failure of this handler, as with `?` alone: the caller gets `wse.server.rp.failed`, and the log the
    /// whole error.
    ///
    /// ```
    /// use wse::{CallError, Conn, RpError};
    ///
    /// async fn book(conn: Conn, seat: u32) -> Result<u32, RpError> {
    ///     let price = conn.call("price", seat).await.map_err(CallError::pass_on)?;
    ///     Ok(price)
    /// }
    /// ```
    pub fn pass_on(self) -> RpError {
        match self {
            CallError::Failed(error) => error.without_call(),
            other => other.into(),
        }
    }

    pub(crate) fn failed(error: RpError) -> Self {
        match error.code.as_str() {
            Code::RP_NOT_REGISTERED => CallError::NotRegistered(error),
            _ => CallError::Failed(error),
        }
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotReady => CallError::NotReady,
            other => CallError::Send(other),
        }
    }
}

/// A client did not become ready.
///
/// ```
/// use wse::{Client, ConnectError};
///
/// # async fn example() {
/// match Client::builder("ws://127.0.0.1:4200").identity("secret").connect().await {
///     Ok(client) => println!("{}", client.status()),
///     Err(ConnectError::Refused(closed)) => println!("wrong secret: {closed}"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The client is already connected or connecting.
    #[error("already connected or connecting")]
    AlreadyConnected,
    /// The client was given a header that is not valid, an identity or a meta that does not encode, or
    /// a proxy that it cannot use.
    #[error("invalid client configuration: {0}")]
    Setup(String),
    /// The address is not a `ws` or `wss` URL, or it is `wss` and the feature `tls` is off.
    #[error("invalid address: {0}")]
    BadUrl(String),
    /// The server could not be reached, did not answer in time, or is not a WebSocket server. The text
    /// names what was seen: every address that was tried, the TLS alert, the issuer of a certificate
    /// that is not trusted, the proxy.
    #[error("server not reachable: {0}")]
    Unreachable(std::io::Error),
    /// The server answered the upgrade with another status than 101.
    #[error("the upgrade was refused with status {status}")]
    UpgradeRefused {
        /// The status.
        status: u16,
        /// How long to stay away at least, if a 503 or 429 says so: its `Retry-After` in seconds, at
        /// most 5 minutes. A client that reconnects waits that long.
        retry_after: Option<Duration>,
    },
    /// The server refused the identity, or the solution of its challenge: 1000 `wse.not-authorized`, on
    /// `ws-messaging` 4003. A refusal with a text of its own, `refuse().reason("text")`, is 1000 and that
    /// text, so it comes as `Closed`.
    #[error("refused: {0}")]
    Refused(Closed),
    /// The connection ended before the welcome, with another code or reason than those of `Refused`. To
    /// [`give_up_on`](crate::ClientBuilder::give_up_on) a connection that ended after it is shown so too.
    #[error("closed before the welcome: {0}")]
    Closed(Closed),
    /// The challenge was not solved: there is no handler, or it failed.
    #[error("the challenge was not solved: {0}")]
    Challenge(RpError),
    /// The identity could not be made or does not encode.
    #[error("the identity could not be made: {0}")]
    Identity(RpError),
    /// The headers of the request could not be made, or one of them is not valid.
    #[error("the headers could not be made: {0}")]
    Headers(RpError),
    /// The application has closed the client meanwhile, or has jumped to another server.
    #[error("cancelled by close or jump")]
    Cancelled,
}

impl ConnectError {
    /// The code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            ConnectError::AlreadyConnected => Code::ALREADY_CONNECTED,
            ConnectError::Refused(_) => Code::NOT_AUTHORIZED,
            ConnectError::Closed(_) => Code::CONNECTION_CLOSED,
            ConnectError::Challenge(_) => Code::INVALID_CRA_HANDLER,
            _ => Code::WS_ERROR,
        }
    }
}

impl ConnectError {
    /// How a connection ended that the application did not end.
    pub(crate) fn ended(closed: Closed, protocol: &Protocol) -> Self {
        let refused = protocol.client_codec().is_refusal(&closed);
        if refused { ConnectError::Refused(closed) } else { ConnectError::Closed(closed) }
    }

    /// Whether the application has to change something before another attempt makes sense.
    pub(crate) fn is_misuse(&self) -> bool {
        use ConnectError::{AlreadyConnected, BadUrl, Cancelled, Setup};
        matches!(self, AlreadyConnected | BadUrl(_) | Cancelled | Setup(_))
    }

    /// Whether a client that no server has welcomed tries again after this.
    pub(crate) fn is_temporary(&self, protocol: &Protocol) -> bool {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        match self {
            ConnectError::Unreachable(error) => !matches!(error.kind(), InvalidData | InvalidInput),
            ConnectError::UpgradeRefused { status, .. } => matches!(status, 408 | 429 | 500..),
            ConnectError::Closed(closed) => protocol.client_codec().is_temporary(closed),
            _ => false,
        }
    }

    /// Whether a client that was welcomed before, or that is persistent, stays away after this: after a
    /// verdict of the server and a broken protocol.
    pub(crate) fn is_final(&self, protocol: &Protocol) -> bool {
        match self {
            ConnectError::Refused(_) => true,
            ConnectError::Closed(closed) => protocol.client_codec().is_final(closed),
            other => other.is_misuse(),
        }
    }

    /// What the server has said about when to connect again.
    pub(crate) fn hint(&self) -> Hint {
        match self {
            ConnectError::UpgradeRefused { retry_after: Some(floor), .. } => Hint::Floor(*floor),
            ConnectError::Closed(closed) => Hint::from(closed),
            _ => Hint::Nothing,
        }
    }

    /// How the connection ended, if there was one.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        match self {
            ConnectError::Refused(closed) | ConnectError::Closed(closed) => Some(closed),
            _ => None,
        }
    }
}

/// A procedure could not be registered or unregistered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A procedure has that name already.
    #[error("registered already")]
    AlreadyRegistered,
    /// No procedure has that name.
    #[error("not registered")]
    NotRegistered,
    /// The name is one of the protocol's own, so that no call could reach the procedure.
    #[error("a name of the protocol's own")]
    Reserved,
}

impl RegisterError {
    /// The code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            RegisterError::AlreadyRegistered => Code::RP_ALREADY_REGISTERED,
            RegisterError::NotRegistered => Code::RP_NOT_REGISTERED,
            RegisterError::Reserved => Code::RP_INVALID,
        }
    }
}

/// A server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address could not be bound. The text names it: "cannot listen on 127.0.0.1:80: Permission
    /// denied". The same where the threads of [`cores`](crate::ServerBuilder::cores) could not be started.
    #[error("cannot listen on {0}")]
    Listen(std::io::Error),
    /// The server was shut down earlier.
    #[error("the server was shut down")]
    ShutDown,
}
