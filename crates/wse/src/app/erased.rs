//! Runs the application's handlers, with their types erased and their panics caught. A handler
//! returns a value and never touches a socket.

use futures_util::{FutureExt, future::lazy};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};
use wse_proto::{EncodeError, Envelope, Format, Payload, RpError};

/// A future whose type is erased.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The running handlers of one message. It returns the errors of those that failed.
pub(crate) type MessageRun = BoxFuture<Vec<RpError>>;

/// A procedure that runs for one call. It returns the encoded result. An error is boxed, so that results,
/// which are many, are small to move.
pub(crate) type CallRun = BoxFuture<Result<Payload<'static>, Box<RpError>>>;

/// A handler of messages with its types erased: decodes the payload, then runs.
pub(crate) type StartMessage<W> = Arc<dyn Fn(W, &Payload<'_>) -> MessageRun + Send + Sync>;

/// A procedure with its types erased: decodes the argument, then runs.
pub(crate) type StartCall<W> = Arc<dyn Fn(W, &Payload<'_>) -> CallRun + Send + Sync>;

/// A fallback with its types erased, once for messages and once for calls.
pub(crate) struct Fallback<W> {
    pub(crate) message: Box<dyn Fn(W, Envelope<'static>) -> MessageRun + Send + Sync>,
    pub(crate) call: Box<dyn Fn(W, Envelope<'static>) -> CallRun + Send + Sync>,
}

/// Runs one after the other. An error of one does not keep the next from running.
pub(crate) fn in_order(runs: Vec<MessageRun>) -> MessageRun {
    Box::pin(async move {
        let mut errors = Vec::new();
        for run in runs {
            errors.append(&mut run.await);
        }
        errors
    })
}

/// Erases the types of a handler of messages.
pub(crate) fn erase_message<W, P, F, Fut>(handler: F) -> StartMessage<W>
where
    W: Send + 'static,
    P: DeserializeOwned + Send + 'static,
    F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), RpError>> + Send + 'static,
{
    Arc::new(move |who, payload| {
        let argument = match decode(payload) {
            Ok(argument) => argument,
            Err(error) => return Box::pin(ready(vec![error])),
        };
        let run = started(handler.clone(), who, argument).map(errors);
        Box::pin(caught(run, |panic| vec![panic]))
    })
}

/// Erases the types of a procedure.
pub(crate) fn erase_call<W, P, R, F, Fut>(handler: F) -> StartCall<W>
where
    W: Send + 'static,
    P: DeserializeOwned + Send + 'static,
    R: Serialize + 'static,
    F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, RpError>> + Send + 'static,
{
    Arc::new(move |who, payload| {
        let format = payload.format();
        let argument = match decode(payload) {
            Ok(argument) => argument,
            Err(error) => return Box::pin(ready(Err(error.into()))),
        };
        let run = started(handler.clone(), who, argument).map(move |result| encoded(format, result));
        Box::pin(caught(run, |panic| Err(panic.into())))
    })
}

/// Erases the types of a fallback.
pub(crate) fn erase_fallback<W, R, F, Fut>(handler: F) -> Fallback<W>
where
    W: Send + 'static,
    R: Serialize + 'static,
    F: FnOnce(W, Envelope<'static>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, RpError>> + Send + 'static,
{
    let of_calls = handler.clone();
    Fallback {
        message: Box::new(move |who, envelope| {
            let run = started(handler.clone(), who, envelope).map(errors);
            Box::pin(caught(run, |panic| vec![panic]))
        }),
        call: Box::new(move |who, envelope| {
            let format = envelope.payload.format();
            let run = started(of_calls.clone(), who, envelope).map(move |result| encoded(format, result));
            Box::pin(caught(run, |panic| Err(panic.into())))
        }),
    }
}

/// Calls a handler when it is polled first, and then runs what that returns. What it was called with takes
/// no room any more while it runs: in an `async` block it would, twice.
fn started<W, P, Fut: Future>(
    handler: impl FnOnce(W, P) -> Fut,
    who: W,
    argument: P,
) -> impl Future<Output = Fut::Output> {
    lazy(move |_| handler(who, argument)).flatten()
}

fn errors<R>(result: Result<R, RpError>) -> Vec<RpError> {
    result.err().into_iter().collect()
}

/// Decodes what a handler takes. A type's own `Deserialize` is the application's code too, and may
/// panic.
fn decode<P: DeserializeOwned + 'static>(payload: &Payload<'_>) -> Result<P, RpError> {
    match catch_unwind(AssertUnwindSafe(|| undecoded(payload).map_or_else(|| payload.decode::<P>(), Ok))) {
        Ok(Ok(argument)) => Ok(argument),
        Ok(Err(error)) => Err(RpError::from(error).message("the payload is not of the expected type")),
        Err(panic) => Err(panicked(&*panic)),
    }
}

/// The payload itself, where the handler takes just that: nothing is parsed.
fn undecoded<P: 'static>(payload: &Payload<'_>) -> Option<P> {
    let mut taken: Option<P> = None;
    let place = (&mut taken as &mut dyn Any).downcast_mut::<Option<Payload<'static>>>()?;
    *place = Some(payload.clone().into_owned());
    taken
}

fn encoded<R: Serialize + 'static>(
    format: Format,
    result: Result<R, RpError>,
) -> Result<Payload<'static>, Box<RpError>> {
    encode(format, result?).map_err(|error| RpError::from(error).into())
}

/// Encodes a result. The result `()` is encoded already, and so is a payload of the format: it is neither read
/// nor copied.
fn encode<R: Serialize + 'static>(format: Format, result: R) -> Result<Payload<'static>, EncodeError> {
    let mut result = Some(result);
    let any = &mut result as &mut dyn Any;
    if any.is::<Option<()>>() {
        return Ok(Payload::null(format));
    }
    let payload = any.downcast_mut::<Option<Payload<'static>>>();
    match payload.and_then(|payload| payload.take_if(|payload| payload.format() == format)) {
        Some(payload) => Ok(payload),
        None => Payload::encode(format, &result),
    }
}

/// Runs the application's code so that a panic in it becomes one error.
pub(crate) fn caught<T>(run: impl Future<Output = T>, otherwise: impl FnOnce(RpError) -> T) -> impl Future<Output = T> {
    let caught = AssertUnwindSafe(run).catch_unwind();
    caught.map(|result| result.unwrap_or_else(|panic| otherwise(panicked(&*panic))))
}

fn panicked(panic: &(dyn Any + Send)) -> RpError {
    #[derive(Debug, thiserror::Error)]
    #[error("panicked: {0}")]
    struct Panicked(String);

    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    RpError::from(Panicked(text.unwrap_or_else(|| "without a text".to_owned())))
}
