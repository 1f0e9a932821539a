//! WebSocket framing without I/O: RFC 6455, both roles, every limit enforced before memory is
//! taken.
//!
//! Bytes in, messages out, and back. There is no socket, no runtime and no clock in here, and
//! nothing in here may ever know what a message means: envelopes belong to `wse-proto`, waiting
//! belongs to `wse`.
//!
//! # Reading
//!
//! A [`Decoder`] takes every byte it is given. What is incomplete it keeps itself (up to 13 bytes
//! of a header, or the payload that has arrived so far), so a connection owns no read buffer: bytes
//! are read into any scratch buffer, handed over, and the buffer is free again. A message that lies
//! whole within one frame and within the input is unmasked in place and lent out of it, without a
//! copy and without an allocation.
//!
//! # Writing
//!
//! [`put_frame`] appends a frame to a write buffer, the payload being written straight behind its
//! header. [`write_frame`] writes one alone, and moves no payload of any size for that. [`Frame`] is
//! a frame encoded once to be sent many times, as in a broadcast. [`put_close`] ends the
//! conversation.
//!
//! # Compression
//!
//! [`deflate`] is permessage-deflate (RFC 7692): what two sides agree on, and messages compressed and inflated.
//!
//! # Example
//!
//! ```
//! use wse_frame::{CloseFrame, Decoder, FrameError, Item, Limits, Opcode, Role, put_close, put_frame};
//!
//! // A client writes two frames. Its key for masking must be unpredictable: draw a new one for every frame.
//! let mut wire = Vec::new();
//! put_frame(&mut wire, Opcode::Text, Some([7, 1, 9, 3]), |out| {
//!     out.extend_from_slice(b"hello");
//!     Ok::<_, std::convert::Infallible>(())
//! })?;
//! put_close(&mut wire, Some([4, 4, 2, 8]), 1000, "bye");
//!
//! // The server reads them, here in pieces of three bytes, and answers.
//! let mut decoder = Decoder::new(Role::Server, Limits::default());
//! let mut answers = Vec::new();
//! let mut closed = None;
//! for piece in wire.chunks_mut(3) {
//!     let mut input = piece;
//!     loop {
//!         match decoder.next(&mut input) {
//!             Ok(None) => break, // everything is used up: read more
//!             Ok(Some(Item::Message(message))) => put_frame(&mut answers, message.opcode, None, |out| {
//!                 out.extend_from_slice(message.payload.as_slice());
//!                 Ok::<_, std::convert::Infallible>(())
//!             })?,
//!             Ok(Some(Item::Ping(ping))) => put_frame(&mut answers, Opcode::Pong, None, |out| {
//!                 out.extend_from_slice(ping.as_slice());
//!                 Ok::<_, std::convert::Infallible>(())
//!             })?,
//!             Ok(Some(Item::Pong(_))) => {}
//!             Ok(Some(Item::Close(frame))) => {
//!                 put_close(&mut answers, None, 1000, "");
//!                 closed = frame;
//!             }
//!             Err(error) => {
//!                 put_close(&mut answers, None, error.close_code(), "");
//!                 return Err(error.into());
//!             }
//!         }
//!     }
//! }
//! assert_eq!(closed, Some(CloseFrame { code: 1000, reason: "bye".into() }));
//! assert_eq!(answers, b"\x81\x05hello\x88\x02\x03\xe8");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assembly;
mod close;
mod decoder;
pub mod deflate;
mod encode;
mod error;
mod frame;
mod header;
mod item;
mod limits;
mod mask;
mod opcode;
mod overwrite;
mod role;
mod whole;

pub use close::CloseFrame;
pub use decoder::Decoder;
pub use encode::{frame_len, put_again, put_close, put_frame, write_frame};
pub use error::FrameError;
pub use frame::Frame;
pub use item::{Control, Item, Message, Payload};
pub use limits::Limits;
pub use opcode::Opcode;
pub use overwrite::overwrite;
pub use role::Role;
pub use whole::whole_message;
