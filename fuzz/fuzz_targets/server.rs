//! The server's machine under any events: no panic, and only lawful steps.
//!
//! The input is a script. May never look into the machine: it sees what a driver sees.

#![no_main]

mod script;

use libfuzzer_sys::fuzz_target;
use script::{Case, Law, Script};
use std::time::Instant;
use wse_proto::{Codec, Kind, Limits, Payload, Reason, ServerSession, Verdict};

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let session = ServerSession::new(Codec::Json, &Limits::default(), now);
    Case::new(session, Codec::Json, now).run(Script(data), Server);
});

struct Server;

impl Law<ServerSession> for Server {
    fn answer(&mut self, script: &mut Script<'_>) -> Verdict {
        match script.byte() % 4 {
            0 => Verdict::accept("ann"),
            1 => Verdict::Challenge(Payload::json("41").expect("it is JSON")),
            2 => Verdict::accept(""),
            _ => Verdict::Refuse(Reason::default()),
        }
    }

    fn opens(&self, answer: Option<&Verdict>, _: Option<Kind>) -> bool {
        matches!(answer, Some(Verdict::Accept(cid, _)) if !cid.is_empty())
    }

    fn asks(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Hi | Kind::Challenge)
    }
}
