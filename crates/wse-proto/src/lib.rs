//! The WSE protocol without I/O: envelopes, codecs, machines, sessions and close reasons as values.
//!
//! Each side of a connection has a machine, [`ServerMachine`] or [`ClientMachine`]. A machine takes one
//! [`Input`] and returns one [`Step`]: what its caller has to do next. A [`Codec`] reads and writes each
//! message as an [`Envelope`], whose payload stays undecoded until a type is named.
//!
//! This crate knows no runtime, clock, socket or source of randomness: time and random bits are
//! arguments.
//!
//! ```
//! use std::time::Instant;
//! use wse_proto::{Codec, Decision, Input, Limits, Machine, ServerMachine, Step};
//!
//! let now = Instant::now();
//! let mut machine = ServerMachine::new(Codec::Json, &Limits::default(), now);
//! let hi = machine.read(br#"["~wse:hi",{"identity":"ann","meta":{}}]"#, false)?;
//!
//! let Step::Ask(question) = machine.step(Input::Envelope(hi), now) else { panic!("a hi asks the application") };
//! let name: String = question.hello.identity.decode()?;
//! assert_eq!(name, "ann");
//!
//! let step = machine.step(Input::Answer(Decision::accept(name)), now);
//! assert!(matches!(step, Step::Open(accepted) if accepted.cid.as_str() == "ann"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod cid;
mod closing;
mod features;
mod limits;
mod machine;
mod protocol;
mod session;
mod wire;

pub use calls::{
    code::Code,
    error::RpError,
    pending::{Busy, Pending, Settled},
    stamp::Stamp,
    timed::{TimedStamp, bare, time_digits, time_left},
};
pub use cid::Cid;
pub use closing::{
    backoff::Backoff,
    hint::Hint,
    later::Later,
    reason::{Closed, Reason},
    restart::{Restart, Turn},
};
pub use features::Features;
pub use limits::Limits;
pub use machine::{
    Input, Machine, Step,
    any::{AnyClientMachine, AnyServerMachine},
    conversation::Conversation,
    handshake::{
        client::{ClientMachine, Welcome},
        server::{Accepted, Decision, ServerMachine},
        ws_messaging_client::WsMessagingClientMachine,
        ws_messaging_server::WsMessagingServerMachine,
    },
    hello::{Hello, Question, Solution},
    kept_hello::KeptHello,
};
pub use protocol::{Protocol, codec::Codec, ws_messaging::WsMessaging};
pub use session::{
    aging::FrameAge,
    grant::{SessionGrant, SessionRequest},
    received::Received,
    sent::{Again, Full, Placed, Sent, continued::Kept},
    token::{Token, TokenCheck, TokenParts, Tokens},
};
pub use wire::{
    custom::CustomCodec,
    envelope::{Envelope, Kind},
    error::{DecodeError, EncodeError, ProtocolError},
    payload::{Format, Payload},
};
