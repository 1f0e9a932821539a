//! Handlers without a connection: their order, their failures, merging and the fallback.

use super::*;
use crate::app::{known::Known, names::Msg};
use std::sync::Mutex;
use wse_proto::Payload;

type Log = Arc<Mutex<Vec<String>>>;
const SAY: Msg<String> = Msg::new("say");

fn logging(log: &Log, as_what: &'static str, once: bool, handlers: &Handlers<u8>) -> HandlerId {
    let log = log.clone();
    let handler = async move |_, text: String| {
        tokio::task::yield_now().await;
        log.lock().unwrap().push(format!("{as_what} {text}"));
        Ok(())
    };
    if once { handlers.add_once(SAY, handler) } else { handlers.add(SAY, handler) }
}

fn envelope(name: &'static str, json: &'static str) -> Envelope<'static> {
    Envelope { name: name.into(), payload: Payload::json(json).unwrap(), stamp: None }
}

/// Says a text. Returns the errors of the handlers, if there are any.
async fn deliver(handlers: &Handlers<u8>, text: &'static str) -> Option<Vec<RpError>> {
    Some(handlers.deliver(&mut Known::default(), 0, &envelope("say", text))?.await)
}

/// Calls a procedure. Returns the text of its result, or its error.
async fn invoke(handlers: &Handlers<u8>, name: &'static str, json: &'static str) -> Option<Result<String, RpError>> {
    let result = handlers.invoke(&mut Known::default(), 0, &envelope(name, json))?.await;
    Some(result.map_err(|error| *error).map(|result| String::from_utf8(result.as_bytes().to_vec()).unwrap()))
}

#[tokio::test]
async fn several_handlers_of_a_type_run_in_the_order_they_were_added() {
    let (handlers, log) = (Handlers::default(), Log::default());
    for name in ["a", "b", "c"] {
        logging(&log, name, false, &handlers);
    }
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
    assert_eq!(*log.lock().unwrap(), ["a x", "b x", "c x"]);
}

#[tokio::test]
async fn a_once_runs_once_and_is_gone() {
    let (handlers, log) = (Handlers::default(), Log::default());
    let id = logging(&log, "once", true, &handlers);
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
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
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
    assert_eq!(*log.lock().unwrap(), ["second x", "third x"]);
    assert_eq!(handlers.off_all("say"), 2);
    assert!(deliver(&handlers, r#""y""#).await.is_none());
}

#[tokio::test]
async fn each_failing_handler_is_one_error_and_the_others_still_run() {
    let (handlers, log) = (Handlers::default(), Log::default());
    handlers.add(SAY, async |_, _| panic!("oh no"));
    logging(&log, "after", false, &handlers);
    handlers.add("say", async |_, _: u64| Ok(()));
    let errors = deliver(&handlers, r#""x""#).await.unwrap();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].to_string(), "wse.server.rp.failed: panicked: oh no");
    assert!(errors[1].to_string().contains("is no `u64`"), "{}", errors[1]);
    assert_eq!(*log.lock().unwrap(), ["after x"]);
}

#[tokio::test]
async fn a_procedure_is_there_from_register_to_unregister() {
    let handlers = Handlers::<u8>::default();
    handlers.try_register("add", async |_, (a, b): (i64, i64)| Ok(a + b)).unwrap();
    let again = handlers.try_register("add", async |_, ()| Ok(()));
    assert_eq!(again, Err(RegisterError::AlreadyRegistered));
    assert_eq!(invoke(&handlers, "add", "[2,3]").await.unwrap().unwrap(), "5");
    handlers.unregister("add").unwrap();
    assert_eq!(handlers.unregister("add"), Err(RegisterError::NotRegistered));
    assert!(invoke(&handlers, "add", "[2,3]").await.is_none());
}

#[tokio::test]
async fn a_result_of_nothing_is_null() {
    let handlers = Handlers::<u8>::new().register("nothing", async |_, ()| Ok(()));
    assert_eq!(invoke(&handlers, "nothing", "null").await.unwrap().unwrap(), "null");
}

#[tokio::test]
async fn merged_handlers_run_behind_those_that_are_there_and_keep_their_ids() {
    let (handlers, more, log) = (Handlers::default(), Handlers::default(), Log::default());
    let ids = [logging(&log, "a", false, &handlers), logging(&log, "b", false, &more)];
    logging(&log, "c", false, &more);
    assert_eq!(handlers.merge(more), Ok(()));
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
    assert_eq!(std::mem::take(&mut *log.lock().unwrap()), ["a x", "b x", "c x"]);
    assert!(ids.iter().all(|id| handlers.off(id)));
    assert!(deliver(&handlers, r#""y""#).await.unwrap().is_empty());
    assert_eq!(*log.lock().unwrap(), ["c y"]);
}

#[tokio::test]
async fn merging_a_procedure_that_is_there_is_an_error_and_changes_nothing() {
    let log = Log::default();
    let handlers = Handlers::<u8>::new().register("one", async |_, ()| Ok(1)).fallback(async |_, _| Ok("first"));
    let more = Handlers::new()
        .register("another", async |_, ()| Ok(2))
        .register("one", async |_, ()| Ok(3))
        .fallback(async |_, _| Ok("second"));
    logging(&log, "more", false, &more);
    assert_eq!(handlers.merge(more), Err(RegisterError::AlreadyRegistered));
    assert_eq!(invoke(&handlers, "one", "null").await.unwrap().unwrap(), "1");
    assert_eq!(invoke(&handlers, "another", "null").await.unwrap().unwrap(), r#""first""#);
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
    assert!(log.lock().unwrap().is_empty(), "the message went to the fallback");
}

#[tokio::test]
async fn an_id_removes_nothing_from_handlers_that_never_had_it() {
    let (handlers, others, log) = (Handlers::default(), Handlers::default(), Log::default());
    let id = logging(&log, "here", false, &handlers);
    logging(&log, "there", false, &others);
    assert!(!others.off(&id));
    assert!(handlers.off(&id));
}

#[tokio::test]
async fn the_fallback_takes_what_has_no_handler_of_its_own() {
    let log = Log::default();
    let seen = log.clone();
    let handlers = Handlers::<u8>::new().register("known", async |_, ()| Ok("known")).fallback(
        async move |_, envelope: Envelope<'static>| {
            seen.lock().unwrap().push(envelope.name.to_string());
            Ok(envelope.payload)
        },
    );
    let once = logging(&log, "once", true, &handlers);
    assert!(deliver(&handlers, r#""x""#).await.unwrap().is_empty());
    assert!(deliver(&handlers, r#""y""#).await.unwrap().is_empty());
    assert!(!handlers.off(&once));
    assert_eq!(invoke(&handlers, "known", "null").await.unwrap().unwrap(), r#""known""#);
    assert_eq!(invoke(&handlers, "unknown", r#"{"a": 1.50}"#).await.unwrap().unwrap(), r#"{"a": 1.50}"#);
    assert_eq!(*log.lock().unwrap(), ["once x", "say", "unknown"]);
}

#[tokio::test]
async fn a_fallback_that_fails_or_panics_is_one_error() {
    let handlers = Handlers::<u8>::new().fallback(async |_, envelope| -> Result<(), RpError> {
        if envelope.name == "say" { panic!("oh no") } else { Err(RpError::new("mine")) }
    });
    let errors = deliver(&handlers, "1").await.unwrap();
    assert_eq!(errors.iter().map(RpError::to_string).collect::<Vec<_>>(), ["wse.server.rp.failed: panicked: oh no"]);
    assert_eq!(invoke(&handlers, "any", "1").await.unwrap().unwrap_err().code, "mine");
}

#[tokio::test]
async fn the_last_fallback_holds_and_a_merge_without_one_keeps_it() {
    let handlers = Handlers::<u8>::new().fallback(async |_, _| Ok(1)).fallback(async |_, _| Ok(2));
    assert_eq!(invoke(&handlers, "any", "null").await.unwrap().unwrap(), "2");
    handlers.merge(Handlers::new()).unwrap();
    assert_eq!(invoke(&handlers, "any", "null").await.unwrap().unwrap(), "2");
    handlers.merge(Handlers::new().fallback(async |_, _| Ok(3))).unwrap();
    assert_eq!(invoke(&handlers, "any", "null").await.unwrap().unwrap(), "3");
}

#[test]
fn a_handler_that_is_removed_is_dropped_without_the_lock() {
    /// Removes everything once more while it is dropped.
    struct Removes(Arc<Handlers<u8>>);
    impl Drop for Removes {
        fn drop(&mut self) {
            self.0.off_all("say");
            let _ = self.0.unregister("say");
        }
    }
    let handlers = Arc::new(Handlers::<u8>::new());
    let removes = || Arc::new(Removes(handlers.clone()));
    let (one, two, three) = (removes(), removes(), removes());
    let procedure = |removes: Arc<Removes>| {
        async move |_: u8, (): ()| {
            let _ = &removes;
            Ok(())
        }
    };
    handlers.add("say", procedure(one));
    assert_eq!(handlers.off_all("say"), 1);
    handlers.try_register("say", procedure(two)).unwrap();
    assert_eq!(handlers.try_register("say", procedure(three)), Err(RegisterError::AlreadyRegistered));
}

#[tokio::test]
async fn a_task_that_knows_the_handlers_sees_every_change_with_the_next_message() {
    let (handlers, log, mut known) = (Handlers::default(), Log::default(), Known::default());
    let mut say = async |text| Some(handlers.deliver(&mut known, 0, &envelope("say", text))?.await);
    assert!(say(r#""1""#).await.is_none());
    let first = logging(&log, "first", false, &handlers);
    logging(&log, "once", true, &handlers);
    say(r#""2""#).await;
    logging(&log, "second", false, &handlers);
    handlers.off(&first);
    say(r#""3""#).await;
    handlers.off_all("say");
    assert!(say(r#""4""#).await.is_none());
    assert_eq!(*log.lock().unwrap(), ["first 2", "once 2", "second 3"]);
}

#[tokio::test]
async fn what_a_removed_handler_holds_is_dropped_when_the_turn_of_a_task_that_knows_it_ends() {
    let (handlers, held, mut known) = (Handlers::default(), Arc::new(()), Known::default());
    let holds = held.clone();
    handlers.add("say", async move |_, _: String| {
        let _ = &holds;
        Ok(())
    });
    handlers.deliver(&mut known, 0, &envelope("say", r#""x""#)).unwrap().await;
    assert_eq!(handlers.off_all("say"), 1);
    assert_eq!(Arc::strong_count(&held), 2);
    known.forget();
    assert_eq!(Arc::strong_count(&held), 1);
}
