//! What the tests of `wse` share: raw peers for either end, logs of events, floods, recordings, programs.
//!
//! Nothing in here decides what is right; a test does. It is never published.

pub mod bus;
mod clients;
mod dials;
mod events;
pub mod floods;
mod frames;
mod http;
pub mod programs;
mod raw;
pub mod recordings;
pub mod secrets;
mod servers;
mod session;
mod time;
mod ws_messaging;

pub use clients::{net, on_net, scripted};
pub use dials::{Dial, Dials, UpgradeRequest, dials};
pub use events::{Events, Log, Told, events, line, log, number};
pub use frames::{ClientEnd, End, Got, Reader, ServerEnd, Writer, compressed, frame, header, text};
pub use http::{Answer, ask_upgrade, dial, request, upgrade};
pub use raw::{Raw, RawClient, RawServer, broke_protocol};
pub use servers::{PIPE, attach, attach_with, end, enter, enter_able, pipe_to, server};
pub use session::{begin, counting, resent, resume, three_devices};
pub use time::{WAIT, about, next_in_line, settle, soon, timed};
pub use ws_messaging::{attach_to, enter_messaging, messaging, offering, pack, unpack};
