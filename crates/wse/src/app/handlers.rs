//! The application's handlers by name, which can be added and removed while running. All have the
//! shape `async |who, what| -> Result<answer, RpError>`. They never touch a socket: a handler
//! returns a value, and the connection that runs it sends it.

use crate::{
    app::{
        erased::{StartMessage, erase_call, erase_fallback, erase_message},
        handler_id::HandlerId,
        names::{Message, Procedure},
        table::{MessageHandler, Table},
    },
    error::RegisterError,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use wse_proto::{Envelope, Kind, RpError};

/// The handlers and procedures of a server (`W` is [`Conn`](crate::Conn)) or a client (`W` is
/// [`Client`](crate::Client)), as a value: each module of an application returns one, and
/// [`ServerBuilder::handlers`](crate::ServerBuilder::handlers) or
/// [`ClientBuilder::handlers`](crate::ClientBuilder::handlers) takes them all.
///
/// [`on`](Self::on), [`once`](Self::once), [`register`](Self::register) and
/// [`fallback`](Self::fallback) take the value and return it, as those of a builder do.
/// [`add`](Self::add), [`add_once`](Self::add_once) and [`try_register`](Self::try_register) do the
/// same by reference, and return what a running server returns: the id, or an error. A closure that
/// does not name the type of its first argument needs `Handlers::<Conn>::new()`.
///
/// ```
/// use std::sync::Arc;
/// use wse::{Conn, Handlers, RpError, Server, with};
///
/// struct App { greeting: String }
/// impl App {
///     async fn greet(self: Arc<Self>, conn: Conn, _: ()) -> Result<String, RpError> {
///         Ok(format!("{} {}", self.greeting, conn.cid()))
///     }
/// }
///
/// mod chat {
///     use wse::{Conn, Handlers};
///
///     pub fn handlers() -> Handlers<Conn> {
///         Handlers::<Conn>::new().on("say", async |conn, text: String| {
///             conn.server().broadcast("line", (conn.cid().as_str(), text))?;
///             Ok(())
///         })
///     }
/// }
///
/// fn greetings(app: &Arc<App>) -> Handlers<Conn> {
///     Handlers::new().register("greet", with(app, App::greet))
/// }
///
/// let app = Arc::new(App { greeting: "hello".into() });
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .handlers(chat::handlers())
///     .handlers(greetings(&app))
///     .build();
/// ```
#[must_use = "nothing is handled before a server or a client has it"]
pub struct Handlers<W> {
    pub(super) table: RwLock<Arc<Table<W>>>,
    /// The version of the table, readable without the lock.
    pub(super) version: AtomicU64,
}

impl<W> Default for Handlers<W> {
    fn default() -> Self {
        Self { table: RwLock::default(), version: AtomicU64::new(0) }
    }
}

impl<W> Handlers<W> {
    /// No handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The table as it is now.
    pub(super) fn read(&self) -> Arc<Table<W>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the table, or a copy if a task looks into it. Drop what `change` returns, and nothing within:
    /// a handler is dropped without the lock. The copy holds all handlers of the table that it replaces.
    fn change<T>(&self, change: impl FnOnce(&mut Table<W>) -> T) -> T {
        let mut shared = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let table = Arc::make_mut(&mut *shared);
        let changed = change(table);
        table.version += 1;
        self.version.store(table.version, Ordering::Release);
        changed
    }
}

impl<W: Send + 'static> Handlers<W> {
    /// Handles messages of a name: `async |who, payload| -> Result<(), RpError>`. Several handlers of
    /// one name run one after the other, in the order they were added.
    pub fn on<P, F, Fut>(self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.add(message, handler);
        self
    }

    /// Handles the first message of a name, from any connection.
    pub fn once<P, F, Fut>(self, message: impl Message<P>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.add_once(message, handler);
        self
    }

    /// Registers a procedure: `async |who, argument| -> Result<result, RpError>`.
    ///
    /// # Panics
    /// When a procedure has that name already, or the name is one of the protocol's own;
    /// [`try_register`](Self::try_register) returns an error instead.
    #[track_caller]
    pub fn register<P, R, F, Fut>(self, rp: impl Procedure<P, R>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        let name = rp.name().to_owned();
        if let Err(error) = self.try_register(rp, handler) {
            panic!("procedure {name:?}: {error}");
        }
        self
    }

    /// Handles every message and call that has no handler of its own: `async |who, envelope| ->
    /// Result<result, RpError>`. A second one replaces the first.
    ///
    /// The result answers a call; that of a message is dropped. With a fallback no message is
    /// reported as ignored. A call that fails with the code
    /// [`RP_NOT_REGISTERED`](crate::Code::RP_NOT_REGISTERED) is answered as one of a procedure that
    /// does not exist. What the fallback is given is not decoded, and a
    /// [`Payload`](crate::codec::Payload) that it returns is sent as it is.
    ///
    /// ```
    /// use wse::{Code, Conn, Handlers, RpError};
    ///
    /// let echo = Handlers::<Conn>::new().fallback(async |conn, envelope| {
    ///     println!("{} sends {}", conn.cid(), envelope.name);
    ///     match &*envelope.name {
    ///         "echo" => Ok(envelope.payload),
    ///         _ => Err(RpError::new(Code::RP_NOT_REGISTERED)),
    ///     }
    /// });
    /// ```
    pub fn fallback<R, F, Fut>(self, handler: F) -> Self
    where
        R: Serialize + 'static,
        F: FnOnce(W, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        let fallback = Arc::new(erase_fallback(handler));
        let replaced = self.change(|table| table.set_fallback(fallback));
        drop(replaced); // after unlocking
        self
    }

    /// Handles messages as [`on`](Self::on) does, and returns the id of the handler.
    pub fn add<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.insert(message.name(), None, erase_message(handler))
    }

    /// Handles the first message as [`once`](Self::once) does, and returns the id of the handler.
    pub fn add_once<P, F, Fut>(&self, message: impl Message<P>, handler: F) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        self.insert(message.name(), Some(Arc::new(AtomicBool::new(true))), erase_message(handler))
    }

    fn insert(&self, name: &str, once: Option<Arc<AtomicBool>>, start: StartMessage<W>) -> HandlerId {
        let id = HandlerId::of_message(name);
        let added = MessageHandler { number: id.number, once, start };
        self.change(|table| table.add(name.into(), &[added]));
        id
    }

    /// Whether a procedure has that name. A fallback does not count.
    pub(crate) fn has_procedure(&self, name: &str) -> bool {
        self.read().procedure(name).is_some()
    }

    /// Removes a handler. False when it is not here: removed before, or a `once` that has run.
    pub fn off(&self, handler: &HandlerId) -> bool {
        let Some(name) = &handler.message else { return false };
        self.retain(name, |other| other.number != handler.number) > 0
    }

    /// Removes all handlers of a message. Returns how many there were.
    pub fn off_all(&self, name: &str) -> usize {
        self.retain(name, |_| false)
    }

    pub(super) fn retain(&self, name: &str, keep: impl Fn(&MessageHandler<W>) -> bool) -> usize {
        let removed = self.change(|table| table.retain(name, keep));
        removed.len()
    }

    /// Registers a procedure as [`register`](Self::register) does.
    ///
    /// # Errors
    /// When a procedure has that name already, or the name is one of the protocol's own (`~wse:ping`).
    pub fn try_register<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F) -> Result<(), RegisterError>
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        if Kind::of(rp.name()).is_some() {
            return Err(RegisterError::Reserved);
        }
        let procedure = erase_call(handler);
        let registered = self.change(|table| table.register(rp.name(), procedure));
        registered.map_err(|_| RegisterError::AlreadyRegistered)
    }

    /// Removes a procedure.
    ///
    /// # Errors
    /// When no procedure has that name.
    pub fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        let removed = self.change(|table| table.unregister(name));
        removed.map(drop).ok_or(RegisterError::NotRegistered)
    }

    /// Adds all of `other`: its handlers behind those of the same message, and its fallback, if it has
    /// one, in place of the one that is here. Ids of its handlers stay valid.
    ///
    /// # Errors
    /// When both have a procedure of one name. Nothing has changed then.
    ///
    /// ```
    /// use wse::{Conn, Handlers, RegisterError};
    ///
    /// let time = || Handlers::<Conn>::new().register("year", async |_, ()| Ok(2000));
    /// let all = Handlers::new();
    /// assert_eq!(all.merge(time()), Ok(()));
    /// assert_eq!(all.merge(time()), Err(RegisterError::AlreadyRegistered));
    /// ```
    pub fn merge(&self, other: Handlers<W>) -> Result<(), RegisterError> {
        self.merge_or_name(other).map_err(|_| RegisterError::AlreadyRegistered)
    }

    /// [`merge`](Self::merge) for builders, where two procedures of one name are a mistake.
    #[track_caller]
    pub(crate) fn merge_or_panic(&self, other: Handlers<W>) {
        if let Err(name) = self.merge_or_name(other) {
            panic!("procedure {name:?}: {}", RegisterError::AlreadyRegistered);
        }
    }

    /// Merges, or returns the name of a procedure that both have.
    fn merge_or_name(&self, other: Handlers<W>) -> Result<(), Box<str>> {
        let other = Arc::unwrap_or_clone(other.table.into_inner().unwrap_or_else(PoisonError::into_inner));
        let merged = self.change(|table| match table.procedure_of_both(&other) {
            Some(name) => Err((name, other)),
            None => Ok(table.merge(other)),
        });
        merged.map(drop).map_err(|(name, _)| name)
    }
}

impl<W> fmt::Debug for Handlers<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.read();
        let (messages, procedures) = table.names();
        let (mut messages, mut procedures) = (Vec::from_iter(messages), Vec::from_iter(procedures));
        messages.sort_unstable();
        procedures.sort_unstable();
        f.debug_struct("Handlers")
            .field("messages", &messages)
            .field("procedures", &procedures)
            .field("fallback", &table.fallback().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
