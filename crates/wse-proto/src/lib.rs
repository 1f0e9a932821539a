//! The WSE protocol without I/O.
//!
//! One connection is a conversation between two machines, [`ServerSession`] and [`ClientSession`].
//! Each takes one [`Input`] and gives exactly one [`Step`]: what its driver must do next. What
//! travels is an [`Envelope`], read and written by a [`Codec`]; its payload stays undecoded until
//! somebody names a type.
//!
//! This crate may never know a runtime, a clock, a socket or a source of randomness: time and
//! random bits are arguments.
//!
//! ```
//! use std::time::Instant;
//! use wse_proto::{Codec, Input, Limits, ServerSession, Session, Step, Verdict};
//!
//! let now = Instant::now();
//! let mut session = ServerSession::new(Codec::Json, &Limits::default(), now);
//! let hi = session.read(br#"["~wse:hi",{"identity":"ann","meta":{}}]"#, false)?;
//!
//! let Step::Ask(asked) = session.step(Input::Envelope(hi), now) else { panic!("hi asks identify") };
//! let name: String = asked.hello.identity.decode()?;
//! assert_eq!(name, "ann");
//!
//! let step = session.step(Input::Answer(Verdict::accept(name)), now);
//! assert!(matches!(step, Step::Open(accepted) if accepted.cid.as_str() == "ann"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod cid;
mod client;
mod code;
mod codec;
mod dialect;
mod envelope;
mod heartbeat;
mod hello;
mod hint;
mod json;
mod limits;
mod msgpack;
mod payload;
mod pending;
mod protocol;
mod reason;
mod restart;
mod resume;
mod rp_error;
mod server;
mod session;
mod talk;
pub mod ws_messaging;

pub use backoff::Backoff;
pub use cid::Cid;
pub use client::{ClientSession, Welcome};
pub use code::Code;
pub use codec::{Codec, CustomCodec, ProtocolError};
pub use envelope::{Envelope, Kind};
pub use hello::{Hello, Question, Solution};
pub use hint::Hint;
pub use limits::Limits;
pub use payload::{DecodeError, EncodeError, Format, Payload};
pub use pending::{Busy, Pending, Settled, Stamp};
pub use protocol::{AnyClientSession, AnyServerSession, Protocol};
pub use reason::{Closed, Reason};
pub use restart::{Restart, Turn};
pub use resume::{Check, Full, Granted, Ledger, Replay, Token, Tokens, Wanted};
pub use rp_error::RpError;
pub use server::{Accepted, ServerSession, Verdict};
pub use session::{Either, Input, Session, Step};
pub use ws_messaging::WsMessaging;
