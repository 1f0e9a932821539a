//! The WSE protocol without I/O.
//!
//! One connection is a conversation between two machines, [`ServerMachine`] and [`ClientMachine`].
//! Each takes one [`Input`] and gives exactly one [`Step`]: what its driver must do next. What
//! travels is an [`Envelope`], read and written by a [`Codec`]; its payload stays undecoded until
//! somebody names a type.
//!
//! This crate may never know a runtime, a clock, a socket or a source of randomness: time and
//! random bits are arguments.
//!
//! ```
//! use std::time::Instant;
//! use wse_proto::{Codec, Input, Limits, ServerMachine, Machine, Step, Decision};
//!
//! let now = Instant::now();
//! let mut session = ServerMachine::new(Codec::Json, &Limits::default(), now);
//! let hi = session.read(br#"["~wse:hi",{"identity":"ann","meta":{}}]"#, false)?;
//!
//! let Step::Ask(asked) = session.step(Input::Envelope(hi), now) else { panic!("hi asks identify") };
//! let name: String = asked.hello.identity.decode()?;
//! assert_eq!(name, "ann");
//!
//! let step = session.step(Input::Answer(Decision::accept(name)), now);
//! assert!(matches!(step, Step::Open(accepted) if accepted.cid.as_str() == "ann"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod cid;
mod closing;
mod limits;
mod machine;
mod protocol;
mod session;
mod wire;

pub use calls::{
    code::Code,
    error::RpError,
    pending::{Busy, Pending, Settled, Stamp},
};
pub use cid::Cid;
pub use closing::{
    backoff::Backoff,
    hint::Hint,
    reason::{Closed, Reason},
    restart::{Restart, Turn},
};
pub use limits::Limits;
pub use machine::{
    Either, Input, Machine, Step,
    any::{AnyClientMachine, AnyServerMachine},
    handshake::{
        client::{ClientMachine, Welcome},
        server::{Accepted, Decision, ServerMachine},
        ws_messaging_client::WsMessagingClientMachine,
        ws_messaging_server::WsMessagingServerMachine,
    },
    hello::{Hello, Question, Solution},
};
pub use protocol::{Protocol, codec::Codec, ws_messaging::WsMessaging};
pub use session::{
    grant::{SessionGrant, SessionRequest},
    received::Received,
    sent::{Full, Sent},
    token::{Token, TokenCheck, Tokens},
};
pub use wire::{
    custom::CustomCodec,
    envelope::{Envelope, Kind},
    error::{DecodeError, EncodeError, ProtocolError},
    payload::{Format, Payload},
};
