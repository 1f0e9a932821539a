//! From the session's step to the handlers, and from their results to the outbox. It may never
//! decide what an envelope means.

use crate::{
    connection::{
        owner::{Opened, Owner, Report},
        running::{Call, Check, Finished, Running},
        task::{Connection, frame_limits},
    },
    error::SendError,
};
use futures_util::stream::StreamExt;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use wse_proto::{Closed, Code, Envelope, Input, Kind, Machine, Payload, RpError, Step};

type StepOf<'a, S> =
    Step<'a, <<S as Owner>::Session as Machine>::Question, <<S as Owner>::Session as Machine>::Opening>;

impl<S: Owner> Connection<S> {
    pub(super) fn act(&mut self, step: StepOf<'_, S>, cx: &mut Context<'_>) {
        match step {
            Step::Wait => {}
            Step::Hold(envelope) => self.inbox.push(envelope),
            Step::Ask(question) => {
                self.asked = Some(self.owner.ask(question));
                self.progressed = true;
            }
            Step::Send(envelope) => {
                match self.handle.say(&envelope) {
                    Ok(()) | Err(SendError::NotReady | SendError::Slow) => {} // the end is noticed soon enough
                    Err(error) if self.welcomed => {
                        self.report(Report::Failed { code: Code::PROTOCOL_VIOLATION, name: None, error: error.into() });
                    }
                    Err(error) => {
                        self.report(Report::Failed { code: Code::NOT_AUTHORIZED, name: None, error: error.into() });
                        self.close_now(Closed::not_authorized());
                    }
                }
            }
            Step::Open(opening) => match self.owner.open(opening, &self.handle) {
                Ok(Opened::New { ready, ledger, on_trial }) => {
                    self.welcomed = true;
                    if on_trial {
                        self.probe();
                    }
                    self.ready = ready;
                    self.decoder.set_limits(frame_limits(self.owner.limits(), true));
                    if let Some(ledger) = ledger {
                        self.session.keep(ledger);
                    }
                }
                Ok(Opened::Resumed(claim)) => {
                    self.decoder.set_limits(frame_limits(self.owner.limits(), true));
                    self.claim = Some(Box::new(claim)); // handed over once what is being decoded is put aside
                }
                Err(closed) => self.close_now(closed),
            },
            Step::Deliver(envelope) => self.arrived(envelope, cx),
            Step::Settle { stamp, outcome } => {
                if self.handle.settle(&stamp, outcome) {
                    self.session.answered_ping(self.now.into_std());
                }
            }
            Step::Acknowledged(count) => {
                if let Err(error) = self.handle.outbox.acknowledge(count) {
                    tracing::debug!(%error, "protocol error");
                    self.close_now(Closed::protocol_error());
                }
            }
            Step::Ping => {
                let _ = self.handle.ping(); // fails only when the connection ends
            }
            Step::Park(closed) => self.park(closed),
            Step::Close(closed) => self.close_now(closed),
        }
    }

    /// A message or call starts its handler, or waits behind those that came before.
    pub(super) fn arrived(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        if self.draining.is_some() {
            return; // nothing starts any more
        }
        if self.inbox.is_empty() && self.may_start() { self.start(envelope, cx) } else { self.inbox.push(envelope) }
    }

    pub(super) fn may_start(&self) -> bool {
        let full = self.running.len() >= self.owner.limits().handlers_per_conn;
        self.welcomed && self.ready.is_none() && self.checking.is_none() && !full
    }

    pub(super) fn start_waiting(&mut self, cx: &mut Context<'_>) {
        while self.may_start() {
            let Some(envelope) = self.inbox.pop() else { return };
            self.start(envelope, cx);
            self.check_closed();
        }
    }

    /// Shows it to the application's hook first, if there is one. What comes behind it waits for
    /// the hook, so that handlers start in order.
    pub(super) fn start(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(hook) = self.owner.hooks().receive.clone() else { return self.handle(envelope, cx) };
        let Some(who) = self.owner.who() else { return };
        let envelope = envelope.into_owned();
        let hook = hook(who, envelope.clone());
        self.checking = Some(Box::new(Check { envelope, hook }));
        self.poll_checking(cx);
    }

    pub(super) fn poll_checking(&mut self, cx: &mut Context<'_>) {
        let Some(check) = &mut self.checking else { return };
        let Poll::Ready(checked) = check.hook.as_mut().poll(cx) else { return };
        self.progressed = true;
        self.check_closed(); // the hook itself may have dropped the device
        let Some(check) = self.checking.take() else { return };
        match checked {
            Ok(()) => self.handle(check.envelope, cx),
            Err(error) => self.stopped(&check.envelope, error),
        }
    }

    /// A hook has stopped a message or call.
    fn stopped(&mut self, envelope: &Envelope<'_>, error: RpError) {
        let Envelope { name, payload, stamp } = envelope;
        if let Some(stamp) = stamp {
            return self.fail(error, name, stamp, payload);
        }
        let told = self.handle.codec().stopped(name, &error, self.owner.expose_errors());
        if let Some(Envelope { name, payload, .. }) = &told {
            // Fails only when the connection ends, or for an error that is too big to be told.
            let _ = self.handle.send_encoded(name, payload, None);
        }
        if told.is_none() || error.source().is_some() {
            self.report(Report::Failed { code: Code::MSG_PROCESSING_ERROR, name: Some(name), error });
        }
    }

    fn handle(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(who) = self.owner.who() else { return };
        match envelope.stamp {
            None => self.deliver(who, envelope, cx),
            Some(_) => self.invoke(who, envelope, cx),
        }
    }

    /// Most handlers finish at once: no place among those that run, nothing kept of the message.
    fn deliver(&mut self, who: S::Who, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(mut run) = self.owner.handlers().deliver(who, &envelope) else {
            return self.report(Report::Ignored { name: &envelope.name, payload: &envelope.payload });
        };
        match run.as_mut().poll(cx) {
            Poll::Ready(errors) => self.delivered(errors, &envelope.name),
            Poll::Pending => self.run_beside(Running::Message(run, envelope.name.into_owned())),
        }
    }

    fn invoke(&mut self, who: S::Who, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let run = self.owner.handlers().invoke(who, &envelope);
        let Envelope { name, payload, stamp } = envelope;
        let stamp = stamp.unwrap_or_default();
        let Some(mut run) = run else { return self.fail_as_unknown(&stamp) };
        match run.as_mut().poll(cx) {
            Poll::Ready(result) => self.invoked(result, &name, &stamp, &payload),
            Poll::Pending => {
                let (name, stamp) = (name.into_owned(), stamp.into_owned());
                let call = Call { name, stamp, payload: payload.into_owned() };
                self.run_beside(Running::Call(run, Some(Box::new(call))));
            }
        }
    }

    pub(super) fn poll_running(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(finished)) = self.running.poll_next_unpin(cx) {
            self.progressed = true;
            match finished {
                Finished::Message(errors, name) => self.delivered(errors, &name),
                Finished::Call(result, call) => self.invoked(result, &call.name, &call.stamp, &call.payload),
                Finished::Nothing => {}
            }
        }
    }

    /// The handlers of a message have finished: their errors are reported.
    fn delivered(&mut self, errors: Vec<RpError>, name: &str) {
        for error in errors {
            self.report(Report::Failed { code: Code::MSG_PROCESSING_ERROR, name: Some(name), error });
        }
    }

    /// A procedure has finished: its call is answered.
    fn invoked(&mut self, result: Result<Payload<'_>, RpError>, name: &str, stamp: &str, payload: &Payload<'_>) {
        match result.and_then(|result| self.answer(stamp, Ok(result))) {
            Ok(()) => {}
            // A fallback says on purpose that there is no such procedure.
            Err(error) if error.code == Code::RP_NOT_REGISTERED && error.source().is_none() => {
                self.fail_as_unknown(stamp);
            }
            Err(error) => self.fail(error, name, stamp, payload),
        }
    }

    /// Answers a call of a procedure that does not exist.
    fn fail_as_unknown(&mut self, stamp: &str) {
        let error = self.handle.codec().not_registered();
        let _ = self.answer(stamp, Err(error)); // as small as an answer can be
    }

    /// Answers a call with an error.
    fn fail(&mut self, error: RpError, name: &str, stamp: &str, payload: &Payload<'_>) {
        let answer = self.handle.codec().error(&error, name, payload, self.owner.expose_errors());
        if let Err(unsent) = self.answer(stamp, Err(answer)) {
            tracing::warn!(?unsent, name, "an error could not be sent");
        }
        // What a procedure fails with on purpose is its answer, and is not reported.
        if error.source().is_some() {
            self.report(Report::Failed { code: Code::RP_FAILED, name: Some(name), error });
        }
    }

    /// Answers a call. An answer that cannot be sent is an error that most likely can.
    fn answer(&mut self, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) -> Result<(), RpError> {
        let sent = match &answer {
            Ok(result) => self.handle.send_encoded(Kind::Response.as_str(), result, Some(stamp)),
            Err(error) => self.handle.send_encoded(Kind::ResponseErr.as_str(), error, Some(stamp)),
        };
        match sent {
            Ok(_) | Err(SendError::NotReady | SendError::Slow) => Ok(()), // or nobody is there to hear it
            Err(error) => Err(RpError::from(error).message("the result cannot be sent")),
        }
    }

    pub(super) fn report(&mut self, report: Report<'_>) {
        if let Some(task) = self.owner.report(report) {
            self.run_beside(Running::Report(task));
        }
    }

    pub(super) fn run_beside(&mut self, running: Running) {
        self.running.push(running);
        self.progressed = true;
    }

    pub(super) fn poll_asked(&mut self, cx: &mut Context<'_>) {
        if let Some(asked) = &mut self.asked
            && let Poll::Ready((answer, failed)) = asked.as_mut().poll(cx)
        {
            self.progressed = true;
            self.asked = None;
            match answer {
                Ok(answer) => {
                    let step = self.session.step(Input::Answer(answer), self.now.into_std());
                    self.act(step, cx);
                }
                Err(closed) => self.close_now(closed),
            }
            if let Some(error) = failed {
                self.report(Report::Failed { code: Code::NOT_AUTHORIZED, name: None, error });
            }
        }
        if let Some(ready) = &mut self.ready
            && Pin::new(ready).poll(cx).is_ready()
        {
            self.progressed = true;
            self.ready = None;
        }
    }
}
