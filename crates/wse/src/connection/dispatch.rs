//! Does what the machine's steps say: starts handlers, and sends their results. It does not decide what
//! an envelope means.

use crate::{
    connection::{
        calls::Settlement,
        owner::{Life, Opened, Owner, Report},
        running_handlers::{Checking, Finished, Running, RunningCall, Work},
        task::{Connection, Entering, frame_limits},
        turn,
        waits::Waits,
    },
    error::SendError,
};
use std::{
    fmt::Display,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use wse_proto::{Closed, Code, Envelope, Input, Kind, Machine, Payload, RpError, Step};

type StepOf<'a, O> =
    Step<'a, <<O as Owner>::Machine as Machine>::Question, <<O as Owner>::Machine as Machine>::Opening>;

impl<O: Owner> Connection<O> {
    pub(super) fn act(&mut self, step: StepOf<'_, O>, cx: &mut Context<'_>) {
        match step {
            Step::Wait => {}
            Step::Hold(envelope) => self.inbox.push(envelope, None),
            Step::Ask(question) => {
                self.entering = Entering::Asked(self.owner.ask(question));
                self.progressed = true;
            }
            Step::Send(envelope) => {
                let sent = self.handle.say(&envelope);
                self.said(sent);
            }
            Step::Answer(Envelope { name, payload, stamp }) => {
                let sent = self.handle.send_encoded(&name, &payload, stamp.as_deref());
                self.said(sent.map(drop));
            }
            Step::Renew { stamp } => self.renew(&stamp),
            Step::Open(opening) => self.open(opening),
            Step::Deliver(envelope) => self.deliver(envelope, cx),
            Step::Settle { stamp, outcome } => match self.handle.calls().settle(&stamp, outcome) {
                Settlement::Call => {}
                Settlement::Ping => self.machine.answered_ping(self.now.into_std()),
                Settlement::Unknown(answer) => self.owner.on(Life::Unsettled { stamp: &stamp, answer }),
            },
            Step::Cancel { stamp } => self.cancel(&stamp),
            Step::Acknowledged(count) => {
                if let Err(error) = self.handle.outbox.acknowledge(count) {
                    self.reject(Closed::protocol_error(), &error);
                }
            }
            Step::Ping => {
                let _ = self.handle.ping(); // fails only when the connection ends
            }
            Step::Park(closed) => self.park(closed),
            Step::Close(closed) if closed == Closed::later() => {
                self.report(Report::Late);
                self.close_now(self.owner.unable());
            }
            Step::Close(closed) => self.close_now(closed),
            Step::Reject(closed, error) => self.reject(closed, &error),
        }
    }

    /// Ends the connection of a peer that broke the protocol.
    pub(super) fn reject(&mut self, closed: Closed, error: &dyn Display) {
        if self.cause.is_none() {
            self.report(Report::Rejected(error));
        }
        self.close_now(closed);
    }

    /// Answers a call for the identity of this side, beside all handlers.
    fn renew(&mut self, stamp: &str) {
        let rp = Kind::Identity.as_str();
        let Some(run) = self.owner.renew() else { return self.not_registered(rp, stamp) };
        let payload = Payload::null(self.handle.codec().format());
        let call = RunningCall { rp: rp.to_owned(), stamp: stamp.to_owned(), payload };
        self.run_beside(Work::Call(run, Some(Box::new(call))), Waits::new(&self.handle));
    }

    /// Checks an envelope of the protocol that was sent. One that cannot be encoded is reported; before the
    /// welcome it ends the connection.
    fn said(&mut self, sent: Result<(), SendError>) {
        match sent {
            Ok(()) | Err(SendError::NotReady | SendError::Slow) => {} // the end is noticed soon enough
            Err(error) if self.welcomed => {
                self.report(Report::Failed { code: Code::PROTOCOL_VIOLATION, name: None, error: error.into() });
            }
            Err(error) => {
                self.report(Report::Failed { code: Code::NOT_AUTHORIZED, name: None, error: error.into() });
                self.close_now(self.owner.unable());
            }
        }
    }

    fn open(&mut self, opening: <O::Machine as Machine>::Opening) {
        let opened = match self.owner.open(opening, &self.handle) {
            Ok(opened) => opened,
            Err(closed) => return self.close_now(closed),
        };
        self.decoder.set_limits(frame_limits(&self.owner.env().limits, true));
        match opened {
            Opened::New { ready, received, provisional } => {
                self.welcomed = true;
                self.handle.outbox.compress_from(self.owner.env().compress_from());
                if provisional {
                    self.probe();
                }
                if let Some(ready) = ready {
                    self.entering = Entering::Ready(ready);
                }
                if let Some(received) = received {
                    self.machine.keep(received);
                }
            }
            // `hand_over` hands the stream over, after the bytes that are being decoded were put aside.
            Opened::Resumed(handle, resumption) => self.entering = Entering::Found(Box::new((handle, resumption))),
        }
    }

    /// Starts the handlers of a message or call, or keeps it behind those that came before.
    fn deliver(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        if self.draining.is_some() {
            return; // no handler starts any more
        }
        let until = self.until(&envelope);
        if self.inbox.is_empty() && self.may_start() {
            self.start(envelope, until, cx);
        } else {
            self.inbox.push(envelope, until);
        }
    }

    pub(super) fn may_start(&self) -> bool {
        let full = self.running.len() >= self.owner.env().limits.handlers_per_conn;
        self.welcomed && matches!(self.entering, Entering::Done) && self.checking.is_none() && !full
    }

    pub(super) fn start_waiting(&mut self, cx: &mut Context<'_>) {
        while self.may_start() && !turn::is_over() {
            let Some((envelope, until)) = self.inbox.pop() else { return };
            self.start(envelope, until, cx);
            self.check_closed();
        }
    }

    /// Shows an envelope to the application's hook first, if there is one. Later envelopes wait for the
    /// hook, so that handlers start in order.
    fn start(&mut self, envelope: Envelope<'_>, until: Option<Instant>, cx: &mut Context<'_>) {
        if self.is_late(until) {
            return; // its caller does not wait any more
        }
        let Some(hook) = &self.owner.env().hooks.receive else { return self.handle_envelope(envelope, cx) };
        let Some(who) = self.owner.who() else { return };
        let envelope = envelope.into_owned();
        let hook = hook(who, envelope.clone());
        self.checking = Some(Box::new(Checking { envelope, until, hook, waits: Waits::new(&self.handle) }));
        self.poll_checking(cx);
    }

    pub(super) fn poll_checking(&mut self, cx: &mut Context<'_>) {
        let Some(checking) = &mut self.checking else { return };
        let Checking { hook, waits, .. } = &mut **checking;
        let Poll::Ready(checked) = waits.watch(|| hook.as_mut().poll(cx)) else { return };
        self.progressed = true;
        self.check_closed(); // the hook itself may have dropped the device
        let Some(checking) = self.checking.take() else { return };
        match checked {
            checked if checking.waits.is_given_up() => self.given_up(checked, &checking.envelope.name),
            Ok(()) if self.is_late(checking.until) => {}
            Ok(()) => self.handle_envelope(checking.envelope, cx),
            Err(error) => self.stopped(&checking.envelope, error),
        }
    }

    /// Answers or reports a message or call that the hook has stopped.
    fn stopped(&mut self, envelope: &Envelope<'_>, error: RpError) {
        let Envelope { name, payload, stamp } = envelope;
        if let Some(stamp) = stamp {
            return self.fail(error, name, stamp, payload);
        }
        let told = self.handle.codec().stopped(name, &error, self.owner.env().expose_errors);
        if let Some(Envelope { name, payload, .. }) = &told {
            // Fails only when the connection ends, or for an error that is too big to be sent.
            let _ = self.handle.send_encoded(name, payload, None);
        }
        if told.is_none() || error.source().is_some() {
            self.report(Report::Failed { code: Code::MSG_PROCESSING_ERROR, name: Some(name), error });
        }
    }

    fn handle_envelope(&mut self, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(who) = self.owner.who() else { return };
        if envelope.stamp.is_some() {
            self.run_procedure(who, envelope, cx)
        } else {
            self.run_handlers(who, envelope, cx)
        }
    }

    /// Runs the handlers of a message. Most finish at once: they take no place among the running ones, and
    /// nothing is copied.
    fn run_handlers(&mut self, who: O::Who, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let Some(mut run) = self.owner.env().handlers.deliver(&mut self.known, who, &envelope) else {
            return self.report(Report::Ignored { name: &envelope.name, payload: &envelope.payload });
        };
        let mut waits = Waits::new(&self.handle);
        match waits.watch(|| run.as_mut().poll(cx)) {
            Poll::Ready(errors) if errors.is_empty() => {}
            Poll::Ready(errors) => self.failed(errors, &envelope.name),
            Poll::Pending => self.run_beside(Work::Message(run, envelope.name.into_owned()), waits),
        }
    }

    fn run_procedure(&mut self, who: O::Who, envelope: Envelope<'_>, cx: &mut Context<'_>) {
        let run = self.owner.env().handlers.invoke(&mut self.known, who, &envelope);
        let Envelope { name, payload, stamp: Some(stamp) } = envelope else { return };
        let Some(mut run) = run else { return self.not_registered(&name, &stamp) };
        let mut waits = Waits::new(&self.handle);
        match waits.watch(|| run.as_mut().poll(cx)) {
            Poll::Ready(result) => self.called(result, &name, &stamp, &payload),
            Poll::Pending => {
                let call =
                    RunningCall { rp: name.into_owned(), stamp: stamp.into_owned(), payload: payload.into_owned() };
                self.run_beside(Work::Call(run, Some(Box::new(call))), waits);
            }
        }
    }

    pub(super) fn poll_running(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(finished)) = self.running.poll_next(cx) {
            self.progressed = true;
            match finished {
                Finished::Message(errors, name) => self.failed(errors, &name),
                Finished::Call(result, call) => {
                    self.called(result, &call.rp, &call.stamp, &call.payload);
                    self.has_answered(&call.stamp);
                }
                Finished::GivenUp(result, call) => self.given_up(result.map_err(|error| *error), &call.rp),
                Finished::Report => {}
            }
        }
    }

    /// Reports the errors with which the handlers of a message have ended.
    fn failed(&mut self, errors: Vec<RpError>, name: &str) {
        // One that was dropped with its caller has not failed.
        for error in errors.into_iter().filter(|error| error.code != Code::RP_ABORTED) {
            self.report(Report::Failed { code: Code::MSG_PROCESSING_ERROR, name: Some(name), error });
        }
    }

    /// Answers the call of a procedure that has ended.
    fn called(&mut self, result: Result<Payload<'_>, Box<RpError>>, rp: &str, stamp: &str, argument: &Payload<'_>) {
        let Err(error) = result.and_then(|result| self.answer(stamp, Ok(result))) else { return };
        // A fallback says on purpose that there is no such procedure.
        if error.code == Code::RP_NOT_REGISTERED && !self.owner.env().handlers.has_procedure(rp) {
            return self.not_registered(rp, stamp);
        }
        self.fail(*error, rp, stamp, argument);
    }

    /// Answers a call with an error, and reports what was not made on purpose.
    fn fail(&mut self, error: RpError, rp: &str, stamp: &str, argument: &Payload<'_>) {
        let answer = self.handle.codec().error(&error, rp, argument, self.owner.env().expose_errors);
        let answered = self.answer(stamp, Err(answer));
        // What a procedure fails with on purpose is its answer, and not reported.
        if error.source().is_some() {
            self.report(Report::Failed { code: Code::RP_FAILED, name: Some(rp), error });
        } else if let Err(unsent) = answered {
            tracing::warn!(?unsent, name = rp, "error response not sent");
        }
    }

    /// Answers a call of a procedure that does not exist.
    fn not_registered(&mut self, rp: &str, stamp: &str) {
        let error = self.handle.codec().not_registered(rp);
        if let Err(unsent) = self.answer(stamp, Err(error)) {
            tracing::warn!(?unsent, name = rp, "error response not sent");
        }
    }

    /// Answers a call. If the answer cannot be sent, returns a small error to answer with instead.
    fn answer(&mut self, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) -> Result<(), Box<RpError>> {
        let sent = match &answer {
            Ok(result) => self.handle.send_encoded(Kind::Response.as_str(), result, Some(stamp)),
            Err(error) => self.handle.send_encoded(Kind::ResponseErr.as_str(), error, Some(stamp)),
        };
        match sent {
            Ok(_) | Err(SendError::NotReady | SendError::Slow) => Ok(()), // or the peer is gone
            Err(error) => Err(Box::new(RpError::from(error).message("the result cannot be sent"))),
        }
    }

    pub(super) fn report(&mut self, report: Report<'_>) {
        if let Some(task) = self.owner.report(report) {
            self.run_beside(Work::Report(task), Waits::new(&self.handle));
        }
    }

    fn run_beside(&mut self, work: Work, waits: Waits) {
        self.running.push(Running { work, waits });
        self.progressed = true;
    }

    pub(super) fn poll_asked(&mut self, cx: &mut Context<'_>) {
        if let Entering::Asked(asked) = &mut self.entering
            && let Poll::Ready((answer, failed)) = asked.as_mut().poll(cx)
        {
            self.progressed = true;
            self.entering = Entering::Done;
            if let Some(error) = failed {
                self.report(Report::Failed { code: Code::NOT_AUTHORIZED, name: None, error });
            }
            match answer {
                Ok(answer) => {
                    let step = self.machine.step(Input::Answer(answer), self.now.into_std());
                    self.act(step, cx);
                }
                Err(closed) => self.close_now(closed),
            }
        }
        if let Entering::Ready(ready) = &mut self.entering
            && Pin::new(ready).poll(cx).is_ready()
        {
            self.progressed = true;
            self.entering = Entering::Done;
        }
    }
}
