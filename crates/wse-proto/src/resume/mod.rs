//! What a session needs to survive its connection: the token to come back with, what is said of it
//! in hi and welcome, the count of what came, and the copies of what was sent. It may never know
//! whether there is a connection.

mod grant;
mod ledger;
mod replay;
mod token;

pub use grant::{Granted, Wanted};
pub use ledger::Ledger;
pub use replay::{Full, Replay};
pub use token::{Check, Token, Tokens};
