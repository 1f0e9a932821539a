//! The application's handlers by name, addable and removable while running. One fixed shape:
//! `async |who, what| -> Result<answer, RpError>`. They may never touch a socket: a handler gives
//! a value back, and whoever runs it sends it.

use crate::{
    app::{
        names::{Message, Procedure},
        run::{Run, Start, erase, in_order},
    },
    error::RegisterError,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use wse_proto::{Payload, RpError};

/// Names one handler of one message type, to take it off again with `off`.
///
/// ```
/// # fn example(server: wse::Server) {
/// let id = server.on("say", async |_, text: String| Ok(println!("{text}")));
/// assert!(server.off(&id));
/// assert!(!server.off(&id));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId {
    name: Box<str>,
    number: u64,
}

/// All handlers of a server (`W` is its `Conn`) or a client (`W` is the `Client`).
pub(crate) struct Handlers<W> {
    // Ordered, because a few comparisons cost less than a hash: 170 of 4,800 instructions a call.
    messages: RwLock<BTreeMap<Box<str>, MessageHandlers<W>>>,
    procedures: RwLock<BTreeMap<Box<str>, Start<W>>>,
    numbers: AtomicU64,
}

/// The handlers of one type; shared with whoever runs them, so that no lock is held meanwhile.
type MessageHandlers<W> = Arc<[MessageHandler<W>]>;

struct MessageHandler<W> {
    number: u64,
    /// For `once`: whether it may still run.
    once: Option<Arc<AtomicBool>>,
    start: Start<W>,
}

impl<W> Clone for MessageHandler<W> {
    fn clone(&self) -> Self {
        Self { number: self.number, once: self.once.clone(), start: self.start.clone() }
    }
}

impl<W> Default for Handlers<W> {
    fn default() -> Self {
        Self { messages: RwLock::default(), procedures: RwLock::default(), numbers: AtomicU64::new(0) }
    }
}

impl<W: Send + 'static> Handlers<W> {
    /// Adds a handler behind those of the same type.
    pub(crate) fn on<P, F, Fut>(&self, message: impl Message<P>, handler: F, once: bool) -> HandlerId
    where
        P: DeserializeOwned + Send + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), RpError>> + Send + 'static,
    {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let once = once.then(|| Arc::new(AtomicBool::new(true)));
        let handler_of_name = MessageHandler { number, once, start: erase(handler) };
        let name: Box<str> = message.name().into();
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let handlers_of_name = messages.entry(name.clone()).or_insert_with(|| [].into());
        *handlers_of_name = handlers_of_name.iter().cloned().chain([handler_of_name]).collect();
        HandlerId { name, number }
    }

    /// Takes a handler off. False when it is not there: taken off before, or a `once` that ran.
    pub(crate) fn off(&self, id: &HandlerId) -> bool {
        self.retain(&id.name, |handler_of_name| handler_of_name.number != id.number) > 0
    }

    /// Takes all handlers of a type off; gives how many there were.
    pub(crate) fn off_all(&self, name: &str) -> usize {
        self.retain(name, |_| false)
    }

    fn retain(&self, name: &str, keep: impl Fn(&MessageHandler<W>) -> bool) -> usize {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let Some(handlers_of_name) = messages.get_mut(name) else { return 0 };
        let before = handlers_of_name.len();
        *handlers_of_name = handlers_of_name.iter().filter(|handler_of_name| keep(handler_of_name)).cloned().collect();
        let removed = before - handlers_of_name.len();
        if handlers_of_name.is_empty() {
            messages.remove(name);
        }
        removed
    }

    /// Adds a procedure.
    pub(crate) fn register<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F) -> Result<(), RegisterError>
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        let mut procedures = self.procedures.write().unwrap_or_else(PoisonError::into_inner);
        if procedures.contains_key(rp.name()) {
            return Err(RegisterError::AlreadyRegistered);
        }
        procedures.insert(rp.name().into(), erase(handler));
        Ok(())
    }

    /// The same for builders: two of one name are a mistake of whoever writes the application.
    #[track_caller]
    pub(crate) fn register_or_panic<P, R, F, Fut>(&self, rp: impl Procedure<P, R>, handler: F)
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, RpError>> + Send + 'static,
    {
        let name = rp.name().to_owned();
        if let Err(error) = self.register(rp, handler) {
            panic!("procedure {name:?}: {error}");
        }
    }

    /// Takes a procedure off.
    pub(crate) fn unregister(&self, name: &str) -> Result<(), RegisterError> {
        let mut procedures = self.procedures.write().unwrap_or_else(PoisonError::into_inner);
        procedures.remove(name).map(drop).ok_or(RegisterError::NotRegistered)
    }

    /// Starts the procedure of that name; `None` when there is none.
    pub(crate) fn invoke(&self, name: &str, who: W, payload: &Payload<'_>) -> Option<Run> {
        let start = self.procedures.read().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        Some(start(who, payload))
    }
}

impl<W: Clone + Send + 'static> Handlers<W> {
    /// Starts the handlers of that type, to run one after the other; `None` when there are none.
    pub(crate) fn deliver(&self, name: &str, who: W, payload: &Payload<'_>) -> Option<Run> {
        let handlers_of_name = self.messages.read().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        if let [MessageHandler { once: None, start, .. }] = &*handlers_of_name {
            return Some(start(who, payload));
        }
        let mut runs = Vec::with_capacity(handlers_of_name.len());
        for handler_of_name in &*handlers_of_name {
            if let Some(once) = &handler_of_name.once {
                if !once.swap(false, Ordering::Relaxed) {
                    continue;
                }
                self.retain(name, |other| other.number != handler_of_name.number);
            }
            runs.push((handler_of_name.start)(who.clone(), payload));
        }
        (!runs.is_empty()).then(|| in_order(runs))
    }
}

/// Binds shared state as the first argument of a handler.
///
/// ```
/// use std::sync::Arc;
/// use wse::{Conn, RpError, Server, with};
///
/// struct App { greeting: String }
/// impl App {
///     async fn greet(self: Arc<Self>, _: Conn, name: String) -> Result<String, RpError> {
///         Ok(format!("{} {name}", self.greeting))
///     }
/// }
/// let app = Arc::new(App { greeting: "hello".into() });
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("greet", with(&app, App::greet))
///     .build();
/// ```
pub fn with<S, W, P, Fut>(
    state: &Arc<S>,
    handler: impl FnOnce(Arc<S>, W, P) -> Fut + Clone + Send + Sync + 'static,
) -> impl FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static
where
    S: Send + Sync + 'static,
{
    let state = state.clone();
    move |who, what| handler(state, who, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{names::Msg, run::Outcome};
    use std::sync::Mutex;

    type Log = Arc<Mutex<Vec<String>>>;
    const SAY: Msg<String> = Msg::new("say");

    fn logging(log: &Log, as_what: &'static str, once: bool, handlers: &Handlers<u8>) -> HandlerId {
        let log = log.clone();
        let handler = async move |_, text: String| {
            tokio::task::yield_now().await;
            log.lock().unwrap().push(format!("{as_what} {text}"));
            Ok(())
        };
        handlers.on(SAY, handler, once)
    }

    async fn deliver(handlers: &Handlers<u8>, text: &str) -> Option<Outcome> {
        Some(handlers.deliver("say", 0, &Payload::json(text).unwrap())?.await)
    }

    #[tokio::test]
    async fn several_handlers_of_a_type_run_in_the_order_they_were_added() {
        let (handlers, log) = (Handlers::default(), Log::default());
        for name in ["a", "b", "c"] {
            logging(&log, name, false, &handlers);
        }
        deliver(&handlers, r#""x""#).await.unwrap().unwrap();
        assert_eq!(*log.lock().unwrap(), ["a x", "b x", "c x"]);
    }

    #[tokio::test]
    async fn a_once_runs_once_and_is_gone() {
        let (handlers, log) = (Handlers::default(), Log::default());
        let id = logging(&log, "once", true, &handlers);
        deliver(&handlers, r#""x""#).await.unwrap().unwrap();
        assert!(deliver(&handlers, r#""y""#).await.is_none());
        assert!(!handlers.off(&id));
        assert_eq!(*log.lock().unwrap(), ["once x"]);
    }

    #[tokio::test]
    async fn off_takes_one_handler_and_off_all_the_rest() {
        let (handlers, log) = (Handlers::default(), Log::default());
        let first = logging(&log, "first", false, &handlers);
        logging(&log, "second", false, &handlers);
        logging(&log, "third", false, &handlers);
        assert!(handlers.off(&first));
        assert!(!handlers.off(&first));
        deliver(&handlers, r#""x""#).await.unwrap().unwrap();
        assert_eq!(*log.lock().unwrap(), ["second x", "third x"]);
        assert_eq!(handlers.off_all("say"), 2);
        assert!(deliver(&handlers, r#""y""#).await.is_none());
    }

    #[tokio::test]
    async fn each_failing_handler_is_one_error_and_the_others_still_run() {
        let (handlers, log) = (Handlers::default(), Log::default());
        handlers.on(SAY, async |_, _| panic!("oh no"), false);
        logging(&log, "after", false, &handlers);
        handlers.on("say", async |_, _: u64| Ok(()), false);
        let errors = deliver(&handlers, r#""x""#).await.unwrap().unwrap_err();
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0].to_string(), "wse.server.rp.failed: panicked: oh no");
        assert!(errors[1].to_string().contains("is no `u64`"), "{}", errors[1]);
        assert_eq!(*log.lock().unwrap(), ["after x"]);
    }

    #[tokio::test]
    async fn a_procedure_is_there_from_register_to_unregister() {
        let handlers = Handlers::<u8>::default();
        handlers.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)).unwrap();
        let again = handlers.register("add", async |_, ()| Ok(()));
        assert_eq!(again, Err(RegisterError::AlreadyRegistered));
        let sum = handlers.invoke("add", 0, &Payload::json("[2,3]").unwrap()).unwrap().await.unwrap();
        assert_eq!(sum.as_bytes(), b"5");
        handlers.unregister("add").unwrap();
        assert_eq!(handlers.unregister("add"), Err(RegisterError::NotRegistered));
        assert!(handlers.invoke("add", 0, &Payload::json("[2,3]").unwrap()).is_none());
    }

    #[tokio::test]
    async fn a_result_of_nothing_is_null() {
        let handlers = Handlers::<u8>::default();
        handlers.register("nothing", async |_, ()| Ok(())).unwrap();
        let nothing = handlers.invoke("nothing", 0, &Payload::json("null").unwrap()).unwrap().await.unwrap();
        assert_eq!(nothing.as_bytes(), b"null");
    }
}
