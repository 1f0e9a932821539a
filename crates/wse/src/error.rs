//! What can go wrong, one small enum a verb, each with the code that both languages compare.
//! No error may hold a payload or an identity.

use std::time::Duration;
use wse_proto::{Closed, Code, DecodeError, EncodeError, Hint, Protocol, RpError};

/// A message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended or is ending; for a client: it is not ready.
    #[error("not connected")]
    NotReady,
    /// The frame alone is larger than the connection's whole queue ([`Limits::queue_bytes`](crate::Limits::queue_bytes)).
    #[error("{0} bytes do not fit into the queue of the connection")]
    TooBig(usize),
    /// The queue of the connection is full: it is being closed as slow, with 1013 `wse.slow`. Without
    /// a connection: more is kept for its session than may be, which has ended.
    #[error("the peer does not read")]
    Slow,
    /// The payload does not encode, or the name is none for the wire of that connection.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The application's own `on_send` has stopped it.
    #[error("stopped: {0}")]
    Stopped(RpError),
    /// It was sent, and nobody will ever say whether it has arrived: there is no session, or it
    /// ended before. Of [`Receipt::delivered`](crate::Receipt::delivered) only.
    #[error("nobody will say whether it has arrived")]
    Unconfirmed,
}

impl SendError {
    /// The code of this error.
    pub fn code(&self) -> &str {
        match self {
            SendError::NotReady => Code::NOT_READY,
            SendError::TooBig(_) | SendError::Slow | SendError::Unconfirmed => Code::WS_ERROR,
            SendError::Encode(_) => Code::RP_INVALID,
            SendError::Stopped(error) => &error.code,
        }
    }
}

/// A call had no result.
///
/// ```
/// use wse::{CallError, Conn};
///
/// # async fn example(conn: Conn) {
/// match conn.call::<_, String>("whoami", ()).await {
///     Ok(name) => println!("{name}"),
///     Err(CallError::Failed(error)) => println!("it said no: {}", error.code),
///     Err(CallError::TimedOut | CallError::Disconnected) => println!("no answer"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer came in time; a later one is dropped.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer. Whether the procedure ran is unknown.
    #[error("disconnected before the answer")]
    Disconnected,
    /// Nothing was sent: there is no connection.
    #[error("not connected")]
    NotReady,
    /// Nothing was sent: too many calls are in flight ([`Limits::calls_per_conn`](crate::Limits::calls_per_conn)).
    #[error("too many calls in flight")]
    Busy,
    /// The other side has no procedure of that name.
    #[error("not registered")]
    NotRegistered,
    /// The procedure failed.
    #[error("{0}")]
    Failed(RpError),
    /// The result is not of the type asked for.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Nothing was sent: the argument does not encode, or is too big.
    #[error("not sent: {0}")]
    Send(SendError),
}

impl CallError {
    /// The code of this error; of a failed call, the code it failed with.
    pub fn code(&self) -> &str {
        match self {
            CallError::TimedOut => Code::RP_TIMEOUT,
            CallError::Disconnected => Code::RP_DISCONNECT,
            CallError::NotReady => Code::NOT_READY,
            CallError::Busy => Code::RP_BUSY,
            CallError::NotRegistered => Code::RP_NOT_REGISTERED,
            CallError::Failed(error) => &error.code,
            CallError::Decode(_) => Code::RP_INVALID,
            CallError::Send(error) => error.code(),
        }
    }

    pub(crate) fn failed(error: RpError) -> Self {
        match error.code.as_str() {
            Code::RP_NOT_REGISTERED => CallError::NotRegistered,
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
    /// It is connected or connecting already.
    #[error("connected already")]
    AlreadyConnected,
    /// The client was put together wrong: a header that is none, or a meta that does not encode.
    #[error("put together wrong: {0}")]
    Setup(String),
    /// The address is no `ws` or `wss` URL.
    #[error("not a usable address: {0}")]
    BadUrl(String),
    /// The server could not be reached, did not answer in time, or is no WebSocket server; or
    /// `wss` was asked for without the feature `tls`.
    #[error("not reachable: {0}")]
    Unreachable(std::io::Error),
    /// The server answered the upgrade with another status than 101.
    #[error("the upgrade was refused with status {status}")]
    UpgradeRefused {
        /// The status.
        status: u16,
        /// How long to stay away at least, where a 503 or 429 says so in seconds: its `Retry-After`,
        /// at most 5 minutes. A client that reconnects does.
        retry_after: Option<Duration>,
    },
    /// The server refused the identity, or the solution of its challenge.
    #[error("refused: {0}")]
    Refused(Closed),
    /// The connection ended before the welcome.
    #[error("closed before the welcome: {0}")]
    Closed(Closed),
    /// The challenge has no solution: there is no handler, or it failed.
    #[error("the challenge was not solved: {0}")]
    Challenge(RpError),
    /// The identity could not be made or does not encode.
    #[error("no identity: {0}")]
    Identity(RpError),
    /// The client was closed meanwhile, or jumped elsewhere.
    #[error("given up")]
    GivenUp,
}

impl ConnectError {
    /// The code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            ConnectError::AlreadyConnected => Code::ALREADY_CONNECTED,
            ConnectError::Refused(_) => Code::NOT_AUTHORIZED,
            ConnectError::Challenge(_) => Code::INVALID_CRA_HANDLER,
            _ => Code::WS_ERROR,
        }
    }
}

impl ConnectError {
    /// Whether a client that reconnects tries again after this.
    pub(crate) fn is_temporary(&self, protocol: &Protocol) -> bool {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        match self {
            ConnectError::Unreachable(error) => !matches!(error.kind(), InvalidData | InvalidInput),
            ConnectError::UpgradeRefused { status, .. } => matches!(status, 408 | 429 | 500..),
            ConnectError::Closed(closed) => protocol.client_codec().is_temporary(closed),
            _ => false,
        }
    }

    /// What the server has said about coming back.
    pub(crate) fn hint(&self) -> Hint {
        match self {
            ConnectError::UpgradeRefused { retry_after: Some(floor), .. } => Hint::Floor(*floor),
            ConnectError::Closed(closed) => Hint::from(closed),
            _ => Hint::Nothing,
        }
    }

    /// How the connection ended, where there was one.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        match self {
            ConnectError::Refused(closed) | ConnectError::Closed(closed) => Some(closed),
            _ => None,
        }
    }
}

/// A procedure was not registered or unregistered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A procedure has that name already.
    #[error("registered already")]
    AlreadyRegistered,
    /// No procedure has that name.
    #[error("not registered")]
    NotRegistered,
}

impl RegisterError {
    /// The code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            RegisterError::AlreadyRegistered => Code::RP_ALREADY_REGISTERED,
            RegisterError::NotRegistered => Code::RP_NOT_REGISTERED,
        }
    }
}

/// A server does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address could not be bound.
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
    /// The server was shut down before.
    #[error("the server was shut down")]
    ShutDown,
}
