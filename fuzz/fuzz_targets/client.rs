//! The client's machine under any events: no panic, and only lawful steps.
//!
//! The first byte says whether the client asks for a session; the rest is a script. The target sees what a
//! driver sees, and does not look into the machine.

#![no_main]

mod script;

use libfuzzer_sys::fuzz_target;
use script::{Case, Law, Script};
use std::time::Instant;
use wse_proto::{ClientMachine, Codec, Format, Hello, Kind, Limits, Payload, SessionRequest};

fuzz_target!(|data: &[u8]| {
    let (now, mut script) = (Instant::now(), Script(data));
    let hello = Hello { identity: Payload::null(Format::Json), meta: Hello::no_meta(Format::Json) };
    let wanted = script.pick(&[None, Some(&SessionRequest::New)]);
    let (machine, _) = ClientMachine::new(Codec::Json, &hello, wanted, &Limits::default(), now);
    Case::new(machine, Codec::Json, now).run(script, Client);
});

struct Client;

impl Law<ClientMachine> for Client {
    fn answer(&mut self, script: &mut Script<'_>) -> Payload<'static> {
        Payload::json(script.pick(&["1", "null"])).expect("it is JSON")
    }

    fn opens(&self, _: Option<&Payload<'static>>, kind: Option<Kind>) -> bool {
        kind == Some(Kind::Welcome)
    }

    fn asks(&self, kind: Kind) -> bool {
        kind == Kind::Challenge
    }
}
