//! Frames of any shape, written without end, and the close code that answers them.

use crate::{
    frames::{ClientEnd, Got, Writer, frame},
    raw::RawClient,
};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use wse_frame::Opcode;

/// The server holds a writer up when it takes nothing for this long. A busy machine may take half of it.
const STALL: Duration = Duration::from_millis(500);

/// A frame of any first byte.
pub fn any_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Opcode::Text, payload);
    bytes[0] = first;
    bytes
}

/// Writes the same bytes again and again, to a server that takes all of them or hangs up.
pub async fn flood<IO>(writer: &mut Writer<ClientEnd, IO>, bytes: &[u8], times: usize)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..times {
        writer.write(bytes).await;
    }
}

/// Writes the same bytes again and again, until the server holds the writer up or hangs up. Returns
/// how often the server took them.
pub async fn pour<IO>(writer: &mut Writer<ClientEnd, IO>, bytes: &[u8], times: usize) -> usize
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    for taken in 0..times {
        let Ok(Ok(())) = timeout(STALL, writer.try_write(bytes)).await else { return taken };
    }
    times
}

/// The code that these bytes are closed with.
pub async fn code_of(peer: &mut RawClient, bytes: &[u8]) -> u16 {
    peer.write(bytes).await;
    match peer.next().await {
        Got::Close(Some((code, _))) => code,
        other => panic!("no close frame with a code: {other:?}"),
    }
}
