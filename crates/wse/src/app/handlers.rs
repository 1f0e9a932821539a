//! The application's handlers by name, which can be added and removed while running. All have the
//! shape `async |who, what| -> Result<answer, RpError>`. They never touch a socket: a handler
//! returns a value, and the connection that runs it sends it.

use crate::{
    app::{
        erased::{CallRun, MessageRun, StartMessage, erase_call, erase_fallback, erase_message, in_order},
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
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
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
    table: RwLock<Table<W>>,
}

impl<W> Default for Handlers<W> {
    fn default() -> Self {
        Self { table: RwLock::default() }
    }
}

impl<W> Handlers<W> {
    /// No handlers.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table<W>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table<W>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
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
        let replaced = self.write().set_fallback(Arc::new(erase_fallback(handler)));
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
        self.write().add(name.into(), &[added]);
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

    fn retain(&self, name: &str, keep: impl Fn(&MessageHandler<W>) -> bool) -> usize {
        let removed = self.write().retain(name, keep);
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
        let registered = self.write().register(rp.name(), erase_call(handler));
        registered.map_err(|_| RegisterError::AlreadyRegistered)
    }

    /// Removes a procedure.
    ///
    /// # Errors
    /// When no procedure has that name.
    pub fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        let removed = self.write().unregister(name);
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
        let other = other.table.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.write();
        if let Some(name) = table.procedure_of_both(&other) {
            return Err(name);
        }
        let replaced = table.merge(other);
        drop(table); // before what was replaced
        drop(replaced);
        Ok(())
    }

    /// Starts the procedure that a call names, or the fallback; `None` when there is neither.
    pub(crate) fn invoke(&self, who: W, envelope: &Envelope<'_>) -> Option<CallRun> {
        let table = self.read();
        if let Some(start) = table.procedure(&envelope.name).cloned() {
            drop(table);
            return Some(start(who, &envelope.payload));
        }
        let fallback = table.fallback().cloned()?;
        drop(table);
        Some((fallback.call)(who, envelope.clone().into_owned()))
    }
}

impl<W: Clone + Send + 'static> Handlers<W> {
    /// Starts the handlers of a message, to run one after the other, or the fallback; `None` when
    /// there is neither.
    pub(crate) fn deliver(&self, who: W, envelope: &Envelope<'_>) -> Option<MessageRun> {
        let table = self.read();
        let handlers_of_name = table.handlers_of(&envelope.name).cloned();
        let fallback = if handlers_of_name.is_none() { table.fallback().cloned() } else { None };
        drop(table);
        match handlers_of_name.as_deref() {
            Some([MessageHandler { once: None, start, .. }]) => return Some(start(who, &envelope.payload)),
            Some(several) => {
                let runs = self.start(several, &who, envelope);
                if !runs.is_empty() {
                    return Some(in_order(runs));
                }
            }
            None => {}
        }
        // Handlers that have all run once leave the message to the fallback.
        let fallback = fallback.or_else(|| self.read().fallback().cloned())?;
        Some((fallback.message)(who, envelope.clone().into_owned()))
    }

    /// Starts those of several handlers that may run. Each `once` is removed, as it does not run again.
    fn start(&self, several: &[MessageHandler<W>], who: &W, envelope: &Envelope<'_>) -> Vec<MessageRun> {
        let mut runs = Vec::with_capacity(several.len());
        for MessageHandler { number, once, start } in several {
            if let Some(once) = once {
                if !once.swap(false, Ordering::Relaxed) {
                    continue;
                }
                self.retain(&envelope.name, |other| other.number != *number);
            }
            runs.push(start(who.clone(), &envelope.payload));
        }
        runs
    }
}

impl<W> fmt::Debug for Handlers<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.read();
        let (messages, procedures) = table.names();
        let (messages, procedures) = (Vec::from_iter(messages), Vec::from_iter(procedures));
        f.debug_struct("Handlers")
            .field("messages", &messages)
            .field("procedures", &procedures)
            .field("fallback", &table.fallback().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
