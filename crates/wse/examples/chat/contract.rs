//! The contract between the page and the server: names and types of all messages and calls.

#![expect(unreachable_pub, reason = "in an application this is a crate that both sides use")]

use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};
use wse::{Msg, Rp};

/// A call, so that the page learns when a message was not taken.
pub const SAY: Rp<Draft, ()> = Rp::new("say");
pub const LINE: Msg<Line> = Msg::new("line");
/// The last public lines, oldest first, for a device that has connected. Lines may come before it.
pub const HISTORY: Msg<VecDeque<Line>> = Msg::new("history");
/// The devices of all users. It is sent whenever they change.
pub const HERE: Msg<Vec<Present>> = Msg::new("here");
/// The user to whom the sender is writing. Its loss does no harm.
pub const TYPING: Msg<Option<String>> = Msg::new("typing");
pub const TYPIST: Msg<Typist> = Msg::new("typist");

pub const ADD: Rp<(i64, i64), i64> = Rp::new("add");
pub const DROP_OTHERS: Rp<(), usize> = Rp::new("drop-others");
/// Makes the server call [`WHOAMI`].
pub const ASK_ME: Rp<(), Asked> = Rp::new("ask-me");
/// Answered by the page.
pub const WHOAMI: Rp<(), String> = Rp::new("whoami");

/// The room of all devices. Who is in it, and who is away, they are told as `wse:presence`.
pub const LOBBY: &str = "lobby";
/// How long a hint says something.
pub const HINT: Duration = Duration::from_secs(3);

pub const NAME_CHARS: usize = 32;
pub const TEXT_CHARS: usize = 2000;
pub const HISTORY_LINES: usize = 50;

/// What a device is told when it connects, and whenever it comes back.
#[derive(Serialize)]
pub struct Welcome {
    pub cid: String,
    pub text_chars: usize,
    /// How many a user may have at once.
    pub devices: usize,
}

/// A text to send, to one user or to all.
#[derive(Deserialize)]
pub struct Draft {
    pub to: Option<String>,
    pub text: String,
}

#[derive(Clone, Serialize)]
pub struct Line {
    /// When, in milliseconds since 1970; no two lines have the same, and later ones have more.
    pub at: u64,
    pub from: String,
    pub to: Option<String>,
    pub text: String,
}

#[derive(Serialize)]
pub struct Present {
    pub name: String,
    pub devices: usize,
}

#[derive(Serialize)]
pub struct Typist {
    pub from: String,
    pub to: Option<String>,
}

/// What a device answered, and after how many milliseconds.
#[derive(Serialize)]
pub struct Asked {
    pub device: String,
    pub ms: f64,
}
