//! The handle to a client, which sends the application's commands to the client's task. It must
//! never use the network itself.

mod addresses;
mod attempt;
mod builder;
mod caller;
mod cookie_date;
mod cookies;
mod dial;
mod event;
mod handlers;
mod http_error;
#[cfg(feature = "tls")]
mod issuer;
mod link;
mod owner;
mod proxy;
mod reconnect;
mod retry;
mod state;
mod status;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod tunnel;
mod upgrade;

pub use builder::ClientBuilder;
pub use event::ClientEvent;
pub use status::Status;

use crate::{
    app::names::{Age, Message, Procedure},
    client::{
        event::handle_events,
        reconnect::{ClientTask, Command, Reply},
        state::{ClientState, Target, fixed_identity},
    },
    connection::{handle::Handle, receipt::Receipt, send, send_aging},
    error::{CallError, ConnectError, SendError},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};
use wse_proto::{DecodeError, Payload, Reason};

/// Why a command was not done that the client's task had taken.
const RUNTIME_ENDED: &str = "the runtime has ended in which the client ran";

/// One device of one user: a connection to a server. A handle, cheap to clone.
///
/// Dropping the last handle closes the connection, as [`close`](Client::close) does.
///
/// ```no_run
/// use wse::{Backoff, Client};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("ws://127.0.0.1:4200/ws")
///     .identity("ann")
///     .on("line", async |_, (from, text): (String, String)| Ok(println!("{from}: {text}")))
///     .register("whoami", async |_, ()| Ok("a phone"))
///     .reconnect(Backoff::default())
///     .connect()
///     .await?;
/// client.send("say", "hello")?;
/// let five: i64 = client.call("add", (2, 3)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(pub(crate) Arc<ClientInner>);

/// What all handles of a client share. The client's task ends when the last handle is dropped.
pub(crate) struct ClientInner {
    state: Arc<ClientState>,
    /// To the client's task, once it was started. A task that has ended with its runtime hears nothing.
    commands: Mutex<Option<mpsc::UnboundedSender<Command>>>,
    /// The target of the last command, which the next jump changes.
    target: Mutex<Target>,
}

impl Client {
    /// Starts to configure a client for a `ws` or `wss` URL.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    /// Connects and waits for the welcome.
    ///
    /// With [`reconnect`](ClientBuilder::reconnect) it retries while the server cannot be reached, as
    /// often as [`Backoff::retries`](crate::Backoff::retries) allows; a permanent failure is returned
    /// at once. Dropping the future gives the attempt up, as [`close`](Client::close) does; a client that
    /// is ready stays so.
    ///
    /// It must be called within a tokio runtime: the client's task runs there from the first call on, as
    /// long as that runtime does. When the runtime ends, the client is `Offline`, and the next `connect` or
    /// `jump` starts it again within the runtime that it is called in.
    ///
    /// # Errors
    /// [`ConnectError`]; one attempt takes at most [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    pub async fn connect(&self) -> Result<(), ConnectError> {
        self.command(Command::Connect).await
    }

    /// Moves to another server with the same identity and meta, and waits for its welcome. The
    /// connection to the old server is closed first, with 4000 `jump`. Reconnects go to the new server
    /// from then on. Dropping the future gives the jump up, as a [`connect`](Client::connect) that is dropped.
    ///
    /// # Errors
    /// [`ConnectError`]. The client is not connected to the old server any more, except after
    /// [`ConnectError::BadUrl`], which changes nothing.
    pub async fn jump(&self, url: &str) -> Result<(), ConnectError> {
        dial::parse(url)?;
        let target = self.retarget(|target| url.clone_into(&mut target.url));
        self.command(|reply| Command::Jump(target, reply)).await
    }

    /// [Jumps](Client::jump) with another identity and meta. Reconnects use them too.
    ///
    /// # Errors
    /// As [`jump`](Client::jump). An identity or a meta that does not encode changes nothing either.
    pub async fn jump_with<I, M>(&self, url: &str, identity: &I, meta: &M) -> Result<(), ConnectError>
    where
        I: Serialize + ?Sized,
        M: Serialize + ?Sized,
    {
        let format = self.0.state.options.spoken.codec.format();
        dial::parse(url)?;
        let meta = Payload::encode(format, meta).map_err(|error| ConnectError::Setup(error.to_string()))?;
        let identity = Payload::encode(format, identity).map_err(|error| ConnectError::Setup(error.to_string()))?;
        let identity = fixed_identity(Ok(identity));
        let target = self.retarget(|target| *target = Target { url: url.to_owned(), identity, meta });
        self.command(|reply| Command::Jump(target, reply)).await
    }

    fn retarget(&self, change: impl FnOnce(&mut Target)) -> Target {
        let mut target = self.0.target.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut target);
        target.clone()
    }

    /// Closes the client for good, also while it waits to reconnect. What is queued is still sent, then
    /// 1000 and the reason. The default reason is `wse.by-client`, and none on the subprotocol
    /// `ws-messaging`. Returns when the connection has ended.
    pub async fn close(&self, reason: impl Into<Reason>) {
        if self.commands().as_ref().is_some_and(|commands| commands.is_closed()) {
            return; // everything has ended with the runtime
        }
        let (done, ended) = oneshot::channel();
        let _ = self.task().send(Command::Close(reason.into(), done));
        let _ = ended.await; // fails only when the client's task has ended, and the connection with it
    }

    async fn command(&self, command: impl FnOnce(Reply) -> Command) -> Result<(), ConnectError> {
        let (reply, result) = oneshot::channel();
        let _ = self.task().send(command(reply));
        result.await.unwrap_or_else(|_| Err(ConnectError::Unreachable(std::io::Error::other(RUNTIME_ENDED))))
    }

    /// The client's task. It is started here by the first command, and by the first one after its
    /// runtime has ended.
    fn task(&self) -> mpsc::UnboundedSender<Command> {
        let mut commands = self.commands();
        if let Some(running) = commands.as_ref().filter(|running| !running.is_closed()) {
            return running.clone();
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        let state = self.0.state.clone();
        let (events, queued) = mpsc::unbounded_channel();
        let target = self.retarget(|_| ());
        let client = Arc::downgrade(&self.0);
        tokio::spawn(handle_events(state.listeners.clone(), queued));
        tokio::spawn(ClientTask::new(state, client, receiver, target, events).run());
        commands.insert(sender).clone()
    }

    fn commands(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Command>>> {
        self.0.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The payload of the last welcome, decoded; null before the first.
    ///
    /// # Errors
    /// When it is not of type `T`.
    pub fn welcome<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.0.state.welcome().decode()
    }

    /// Queues a message and returns at once. The receipt can be awaited until the message has
    /// arrived, or dropped. While a session waits for another connection, the message is kept.
    ///
    /// # Errors
    /// [`SendError`]; `NotReady` while the client is not connected and has no session: the message is
    /// not kept for later.
    pub fn send<P: Serialize>(&self, message: impl Message<P>, payload: P) -> Result<Receipt, SendError> {
        let handle = self.handle().ok_or(SendError::NotReady)?;
        let hooks = &self.0.state.env.hooks;
        if let Some(age) = message.age() {
            return send_aging::message(hooks, self, &handle, (message.name(), age), &payload);
        }
        let number = send::message(hooks, self, &handle, message.name(), &payload)?;
        Ok(Receipt::new(&handle, number))
    }

    /// Waits until half of the queue to the server is free, as [`Conn::ready`](crate::Conn::ready) does for a
    /// device.
    ///
    /// # Errors
    /// [`SendError::NotReady`] when the client is not connected and has no session, or that ends meanwhile.
    pub async fn ready(&self) -> Result<(), SendError> {
        send::ready(&*self.handle().ok_or(SendError::NotReady)?).await
    }

    /// Queues a message once there is room for it, as
    /// [`Conn::send_when_ready`](crate::Conn::send_when_ready) does for a device.
    ///
    /// # Errors
    /// [`SendError`], but never `Slow`.
    pub async fn send_when_ready<P: Serialize>(
        &self,
        message: impl Message<P>,
        payload: P,
    ) -> Result<Receipt, SendError> {
        let handle = self.handle().ok_or(SendError::NotReady)?;
        let hooks = &self.0.state.env.hooks;
        if let Some(age) = message.age().map(Age::of_frame) {
            return send_aging::message_when_ready(hooks, self, &handle, (message.name(), age), payload).await;
        }
        let number = send::message_when_ready(hooks, self, &handle, message.name(), payload).await?;
        Ok(Receipt::new(&handle, number))
    }

    /// Breaks the connection without a close frame, as a lost network does. It is for tests: the
    /// client then does what it does when the network is lost.
    pub fn cut(&self) {
        if let Some(handle) = self.handle() {
            handle.cut();
        }
    }

    /// Calls a procedure of the server and waits for the answer, at most
    /// [`Limits::rpc_timeout`](crate::Limits::rpc_timeout). Dropping the future cancels the wait.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.call_within(self.0.state.env.limits.rpc_timeout, rp, payload).await
    }

    /// [Calls](Client::call) a procedure with a timeout of its own.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call_within<P: Serialize, R: DeserializeOwned>(
        &self,
        timeout: Duration,
        rp: impl Procedure<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        let handle = self.handle().ok_or(CallError::NotReady)?;
        send::call(&self.0.state.env.hooks, self, &handle, rp.name(), &payload, timeout).await
    }

    fn handle(&self) -> Option<Arc<Handle>> {
        self.0.state.handle()
    }

    /// The current status.
    pub fn status(&self) -> Status {
        *self.0.state.status.borrow()
    }

    /// Watches the status. A watcher sees the latest status and may miss short ones;
    /// [`ClientEvent::Status`] reports every one.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.0.state.status.subscribe()
    }

    /// The address of the server that the client is, or was last, connected to.
    pub fn url(&self) -> String {
        self.0.state.url()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &dial::redacted(&self.url()))
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
