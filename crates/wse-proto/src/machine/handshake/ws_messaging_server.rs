//! The server's handshake on `ws-messaging`: from the auth data of a client to the decision of the
//! application. The conversation opens on an accepting decision only.

use crate::{
    closing::reason::{Closed, Reason},
    features::Features,
    machine::{
        Step,
        conversation::Conversation,
        handshake::{
            Handshake,
            server::{Accepted, Decision},
        },
        hello::{Hello, Question},
        open::Open,
    },
    protocol::{codec::Codec, ws_messaging::WsMessaging},
    wire::{envelope::Envelope, error::ProtocolError, ws_messaging::names::is_of_application},
};
use std::{sync::Arc, time::Instant};

/// The server's machine on `ws-messaging`, one for each connection. It speaks the format of the
/// client's first frame.
pub type WsMessagingServerMachine = Conversation<WsMessagingServerHandshake>;

impl WsMessagingServerMachine {
    /// A conversation that starts now, right after the upgrade.
    pub fn new(options: Arc<WsMessaging>, now: Instant) -> Self {
        let (handshake, open) = WsMessagingServerHandshake::start(options, now);
        Conversation::begin(handshake, open)
    }
}

/// The handshake of a [`WsMessagingServerMachine`].
#[derive(Debug)]
pub struct WsMessagingServerHandshake {
    options: Arc<WsMessaging>,
    /// What the client has sent, while the application decides.
    hello: Option<Arc<Hello>>,
    deadline: Instant,
}

impl WsMessagingServerHandshake {
    pub(crate) fn start(options: Arc<WsMessaging>, now: Instant) -> (Self, Open) {
        let codec = Codec::ws_messaging(&options, false);
        let open = Open::new(codec, options.ping_interval, options.ping_timeout, now);
        let deadline = options.auth_deadline(now);
        (Self { options, hello: None, deadline }, open)
    }
}

impl Handshake for WsMessagingServerHandshake {
    type Question = Question;
    type Answer = Decision;
    type Opening = Accepted;

    const IS_CLIENT: bool = false;

    fn read<'a>(&mut self, codec: &mut Codec, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        if self.hello.is_some() {
            return codec.read(message, binary);
        }
        *codec = Codec::ws_messaging(&self.options, binary);
        codec.read_auth(message)
    }

    fn envelope<'a>(&mut self, envelope: Envelope<'a>) -> Step<'a, Question, Accepted> {
        if self.hello.is_none() {
            // The first frame is the identity, whatever value it is.
            let meta = Hello::no_meta(envelope.payload.format());
            let hello = Arc::new(Hello { identity: envelope.payload.into_owned(), meta });
            self.hello = Some(hello.clone());
            return Step::Ask(Question { hello, solution: None, session: None });
        }
        // npm `ws-messaging` loses what comes before the decision; here it waits for it.
        if is_of_application(&envelope) { Step::Hold(envelope) } else { Step::Wait }
    }

    fn garbage<'a>(&mut self, error: ProtocolError) -> Step<'a, Question, Accepted> {
        match self.hello {
            None => Step::Reject(Closed { code: 4003, reason: error.why().to_owned().into() }, error),
            // A frame can be answered only after the welcome.
            Some(_) => Step::Wait,
        }
    }

    fn answer<'a>(&mut self, decision: Decision, now: Instant) -> Step<'a, Question, Accepted> {
        let Some(hello) = &self.hello else { return Step::Wait };
        if now >= self.deadline {
            return Step::Close(self.timeout());
        }
        match decision {
            Decision::Accept(cid, welcome) if !cid.is_empty() => {
                Step::Open(Accepted { cid, welcome, hello: hello.clone(), session: None, features: Features::NONE })
            }
            Decision::Refuse(reason) => refuse(reason.or(Reason::NOT_AUTHORIZED)),
            Decision::Later(after) => Step::Close(Closed::later_after(after)),
            // This protocol has no challenges.
            Decision::Accept(..) | Decision::Challenge(_) => refuse(Reason::NOT_AUTHORIZED),
        }
    }

    /// Never asked: the reason of this protocol is the error's text.
    fn expected(&self) -> &'static str {
        ""
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    /// The lateness of the client is final; that of the application is not the client's fault.
    fn timeout(&self) -> Closed {
        match self.hello {
            None => Closed { code: 4003, reason: "".into() },
            Some(_) => Closed::later(),
        }
    }
}

fn refuse<'a, Q, O>(reason: Reason) -> Step<'a, Q, O> {
    Step::Close(Closed { code: 4003, reason })
}
