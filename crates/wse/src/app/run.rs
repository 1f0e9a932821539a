//! A handler at work: the application's code with its types erased, and with its panics caught.
//! It may never touch a socket: it gives a value back.

use futures_util::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};
use wse_proto::{EncodeError, Format, Payload, RpError};

/// What a handler gives back: the encoded answer, or every error it and its fellows failed with.
pub(crate) type Outcome = Result<Payload<'static>, Vec<RpError>>;

/// A handler at work on one message or call.
pub(crate) type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A handler with its types erased: decodes what it is given, then runs.
pub(crate) type Start<W> = Arc<dyn Fn(W, &Payload<'_>) -> Run + Send + Sync>;

/// Runs one after the other; an error of one does not keep the next from running.
pub(crate) fn in_order(runs: Vec<Run>) -> Run {
    Box::pin(async move {
        let mut errors = Vec::new();
        let mut last = Payload::null(Format::Json);
        for run in runs {
            match run.await {
                Ok(nothing) => last = nothing,
                Err(failed) => errors.extend(failed),
            }
        }
        if errors.is_empty() { Ok(last) } else { Err(errors) }
    })
}

/// Erases the types of a handler.
pub(crate) fn erase<W, P, R, F, Fut>(handler: F) -> Start<W>
where
    W: Send + 'static,
    P: DeserializeOwned + Send + 'static,
    R: Serialize + 'static,
    F: FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, RpError>> + Send + 'static,
{
    Arc::new(move |who, payload| {
        let format = payload.format();
        // A type's own `Deserialize` is the application's code too.
        let decoded = catch_unwind(AssertUnwindSafe(|| undecoded(payload).map_or_else(|| payload.decode::<P>(), Ok)));
        let argument = match decoded {
            Ok(Ok(argument)) => argument,
            Ok(Err(error)) => return failed(RpError::from(error).message("the payload is not of the expected type")),
            Err(panic) => return failed(panicked(&*panic)),
        };
        let handler = handler.clone();
        let run = async move {
            let result = handler(who, argument).await.map_err(|error| vec![error])?;
            encode(format, &result).map_err(|error| vec![RpError::from(error)])
        };
        Box::pin(caught(run, |panic| Err(vec![panic])))
    })
}

/// Most handlers of messages give nothing, and that is encoded already.
fn encode<R: Serialize + 'static>(format: Format, result: &R) -> Result<Payload<'static>, EncodeError> {
    if (result as &dyn Any).is::<()>() { Ok(Payload::null(format)) } else { Payload::encode(format, result) }
}

/// The payload itself, where the handler takes just that: nothing is parsed.
fn undecoded<P: 'static>(payload: &Payload<'_>) -> Option<P> {
    let mut taken: Option<P> = None;
    let place = (&mut taken as &mut dyn Any).downcast_mut::<Option<Payload<'static>>>()?;
    *place = Some(payload.clone().into_owned());
    taken
}

fn failed(error: RpError) -> Run {
    Box::pin(ready(Err(vec![error])))
}

/// Runs the application's code so that a panic in it becomes one error.
pub(crate) async fn caught<T>(run: impl Future<Output = T>, otherwise: impl FnOnce(RpError) -> T) -> T {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => otherwise(panicked(&*panic)),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> RpError {
    #[derive(Debug, thiserror::Error)]
    #[error("panicked: {0}")]
    struct Panicked(String);

    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    RpError::from(Panicked(text.unwrap_or_else(|| "without a text".to_owned())))
}
