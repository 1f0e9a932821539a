//! Sends messages that age over one connection: shows them to its hook first, as all others, then queues them.

use crate::{
    app::{hooks::Hooks, names::Age},
    connection::{
        handle::Handle,
        receipt::Receipt,
        send::{show, shown},
        shared_frame::SharedFrame,
        waits::for_peer,
    },
    error::SendError,
};
use bytes::Bytes;
use serde::Serialize;
use std::{pin::pin, sync::Arc};
use wse_proto::{FrameAge, Payload};

/// Queues a message that the hook lets through.
pub(crate) fn message<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Arc<Handle>,
    (name, age): (&str, &Age),
    payload: &P,
) -> Result<Receipt, SendError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
{
    let (frame, age) = (encoded(hooks, who, handle, name, payload)?, age.of_frame());
    let aged = handle.send_aging(&frame, &age)?;
    Ok(Receipt::aging(handle, aged, age.until))
}

/// The same, once there is room for it. Its time runs from now on.
pub(crate) async fn message_when_ready<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Arc<Handle>,
    (name, age): (&str, FrameAge),
    payload: P,
) -> Result<Receipt, SendError>
where
    W: Send + 'static,
    P: Serialize,
{
    let frame = encoded(hooks, who, handle, name, &payload)?;
    drop(payload);
    let aged = for_peer(handle, pin!(handle.send_aging_when_ready(&frame, &age))).await?;
    Ok(Receipt::aging(handle, aged, age.until))
}

fn encoded<W, P>(hooks: &Hooks<W>, who: &W, handle: &Handle, name: &str, payload: &P) -> Result<Bytes, SendError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
{
    match shown(hooks, who, handle, name, payload, None)? {
        None => handle.encode(name, payload),
        Some(encoded) => handle.encode(name, &encoded),
    }
}

/// Queues a message that was encoded for many. `payload` is what the hook sees.
pub(crate) fn shared<W: Send + 'static>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Arc<Handle>,
    (name, age): (&str, &Age),
    payload: Option<&Payload<'_>>,
    frame: &SharedFrame,
) -> Result<Receipt, SendError> {
    show(hooks, who, handle, name, payload)?;
    let age = age.of_frame();
    let aged = handle.send_aging_shared(frame, &age)?;
    Ok(Receipt::aging(handle, aged, age.until))
}

/// The same of a message that the hook has let through.
pub(crate) fn shown_shared(handle: &Handle, frame: &SharedFrame, age: &Age) -> Result<Option<u64>, SendError> {
    handle.send_aging_shared(frame, &age.of_frame()).map(|_| None)
}
