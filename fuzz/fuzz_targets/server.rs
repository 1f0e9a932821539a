//! The server's machine under any events: no panic, and only lawful steps.
//!
//! The input is a script. The target sees what a driver sees, and does not look into the machine.

#![no_main]

mod script;

use libfuzzer_sys::fuzz_target;
use script::{Case, Law, Script};
use std::time::{Duration, Instant};
use wse_proto::{Codec, Decision, Kind, Limits, Payload, Reason, ServerMachine};

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let machine = ServerMachine::new(Codec::Json, &Limits::default(), now);
    Case::new(machine, Codec::Json, now).run(Script(data), Server);
});

struct Server;

impl Law<ServerMachine> for Server {
    fn answer(&mut self, script: &mut Script<'_>) -> Decision {
        match script.byte() {
            255 => Decision::Later(Duration::from_secs(7)),
            byte if byte % 4 == 0 => Decision::accept("ann"),
            byte if byte % 4 == 1 => Decision::Challenge(Payload::json("41").expect("it is JSON")),
            byte if byte % 4 == 2 => Decision::accept(""),
            _ => Decision::Refuse(Reason::default()),
        }
    }

    fn opens(&self, answer: Option<&Decision>, _: Option<Kind>) -> bool {
        matches!(answer, Some(Decision::Accept(cid, _)) if !cid.is_empty())
    }

    fn asks(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Hi | Kind::Challenge)
    }
}
