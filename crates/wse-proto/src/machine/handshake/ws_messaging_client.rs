//! The client's handshake on `ws-messaging`: from its auth data to the event `connect`. Nothing is
//! delivered before that event.

use crate::{
    closing::reason::Closed,
    features::Features,
    machine::{
        Step,
        conversation::Conversation,
        handshake::{Handshake, client::Welcome},
        hello::Hello,
        open::Open,
    },
    protocol::{codec::Codec, ws_messaging::WsMessaging},
    wire::{
        envelope::Envelope,
        error::ProtocolError,
        payload::Payload,
        ws_messaging::names::{CONNECT, is_of_application},
    },
};
use std::{sync::Arc, time::Instant};

/// The client's machine on `ws-messaging`, one for each connection.
pub type WsMessagingClientMachine = Conversation<WsMessagingClientHandshake>;

impl WsMessagingClientMachine {
    /// A conversation that starts now: the machine, and the auth data to send first. This protocol has
    /// no place for the meta of a hello.
    pub fn new(options: Arc<WsMessaging>, hello: &Hello, now: Instant) -> (Self, Payload<'static>) {
        let (handshake, open) = WsMessagingClientHandshake::start(&options, now);
        (Conversation::begin(handshake, open), hello.identity.clone())
    }
}

/// The handshake of a [`WsMessagingClientMachine`].
#[derive(Debug)]
pub struct WsMessagingClientHandshake {
    deadline: Instant,
}

impl WsMessagingClientHandshake {
    pub(crate) fn start(options: &Arc<WsMessaging>, now: Instant) -> (Self, Open) {
        let codec = Codec::ws_messaging(options, options.messagepack);
        let open = Open::new(codec, options.ping_interval, options.ping_timeout, now);
        (Self { deadline: options.auth_deadline(now) }, open)
    }
}

impl Handshake for WsMessagingClientHandshake {
    /// Never asked: this protocol has no challenges.
    type Question = Payload<'static>;
    type Answer = Payload<'static>;
    /// Its payload is the first argument of the event `connect`.
    type Opening = Welcome;

    const IS_CLIENT: bool = true;

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Payload<'static>, Welcome> {
        if envelope.name == CONNECT && !envelope.is_call() {
            return Step::Open(Welcome {
                payload: first_argument(envelope.payload),
                session: None,
                features: Features::NONE,
            });
        }
        // A server has no reason to send something before `connect`, but if it does, it is not lost.
        if is_of_application(&envelope) { Step::Hold(envelope) } else { Step::Wait }
    }

    /// A frame can be answered only after the welcome.
    fn garbage<'a>(&mut self, _: ProtocolError) -> Step<'a, Payload<'static>, Welcome> {
        Step::Wait
    }

    fn answer<'a>(&mut self, _: Payload<'static>, _: Instant) -> Step<'a, Payload<'static>, Welcome> {
        Step::Wait
    }

    /// Never asked: the reason of this protocol is the error's text.
    fn expected(&self) -> &'static str {
        ""
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn timeout(&self) -> Closed {
        Closed { code: 4008, reason: "Auth timeout".into() }
    }
}

fn first_argument(arguments: Payload<'_>) -> Payload<'static> {
    let format = arguments.format();
    match arguments.decode::<Vec<Payload<'static>>>() {
        Ok(arguments) => arguments.into_iter().next().unwrap_or_else(|| Payload::null(format)),
        Err(_) => arguments.into_owned(),
    }
}
