//! Sends messages that age over one connection: shows them to its hook first, as all others, then queues them.

use crate::{
    app::{hooks::Hooks, names::Age},
    connection::{handle::Handle, receipt::Receipt, send::encoded, shared_frame::SharedFrame, waits::for_peer},
    error::SendError,
};
use serde::Serialize;
use std::{pin::pin, sync::Arc};
use wse_proto::FrameAge;

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

/// Queues a message that was encoded for many, and that the hook has let through.
pub(crate) fn shared(handle: &Arc<Handle>, frame: &SharedFrame, age: &Age) -> Result<Receipt, SendError> {
    let age = age.of_frame();
    let aged = handle.send_aging_shared(frame, &age)?;
    Ok(Receipt::aging(handle, aged, age.until))
}
