//! Asks a device for another identity, ahead of the end of the one it has and over its open connection, and ends
//! it with its identity otherwise. It runs in the device's task, and is dropped with it.

use crate::{
    app::erased::{BoxFuture, caught},
    connection::send,
    server::{
        failures::failed,
        revocations::Deciding,
        term::Term,
        users::conn::Conn,
        verdict::{Stranger, is_of_stranger},
    },
};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use wse_proto::{Closed, Code, Decision, Features, Hello, Payload, Question, Reason, Restart};

/// What becomes of an identity that has a term.
pub(super) struct Renewal {
    term: Term,
    /// When the device is asked next; at the end of the term it is not asked any more.
    next: Instant,
    asking: Option<BoxFuture<Outcome>>,
}

/// What asking a device has led to.
enum Outcome {
    /// It was accepted anew, with other terms.
    Renewed,
    /// It may succeed the next time.
    Failed,
    /// It would be no different the next time.
    Final,
}

/// What a renewal needs next.
pub(super) enum Next {
    /// To be polled, at that time at the latest.
    At(Instant),
    /// To be made anew of what the device was accepted with.
    Renewed,
    /// Nothing: the device has ended.
    Over,
}

impl Renewal {
    /// That of what the device was accepted with; `None` if its identity does not end.
    pub(super) fn of(conn: &Conn) -> Option<Self> {
        conn.0.standing.term().map(|term| Self { term, next: term.renewal, asking: None })
    }

    /// Does what is due now.
    pub(super) fn poll(&mut self, conn: &Conn, now: Instant, cx: &mut Context<'_>) -> Next {
        loop {
            if now >= self.term.end {
                tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "identity expired");
                conn.close(Closed::normal(Reason::IDENTITY_EXPIRED));
                return Next::Over;
            }
            if let Some(asking) = &mut self.asking {
                let Poll::Ready(outcome) = asking.as_mut().poll(cx) else { return Next::At(self.term.end) };
                self.asking = None;
                match outcome {
                    Outcome::Renewed => return Next::Renewed,
                    Outcome::Failed => self.next = self.term.again(now),
                    Outcome::Final => self.next = self.term.end,
                }
            }
            // What a parked device is told waits for its return, and with that identify decides anyway.
            if self.next >= self.term.end || conn.is_parked() {
                return Next::At(self.term.end);
            }
            if now < self.next {
                return Next::At(self.next);
            }
            self.next = self.term.end;
            if conn.0.handle.features().has(Features::RENEW) {
                self.asking = Some(Box::pin(renew(conn.clone())));
            } else {
                recall(conn);
            }
        }
    }
}

/// Lets a device connect anew that cannot be asked.
fn recall(conn: &Conn) {
    tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "recalled before its identity ends");
    let returns_per_second = conn.0.server.env.limits.returns_per_second;
    for turn in Restart::recall(1, returns_per_second, Duration::ZERO).turns() {
        conn.0.handle.drain(turn.end);
    }
}

/// Asks the device for another identity, and identify about it.
async fn renew(conn: Conn) -> Outcome {
    let server = &conn.0.server;
    let (before, spoken) = (conn.hello(), conn.0.handle.spoken().clone());
    let Some(identity) = identity_of(&conn).await else { return Outcome::Failed };
    let deciding = Deciding::begin(&conn.server());
    let hello = Arc::new(Hello { identity, meta: before.meta().into_owned() });
    let stranger = Stranger {
        question: Question { hello: hello.clone(), solution: None, session: None },
        request: Arc::new(http::Request::new(()).into_parts().0),
        remote_addr: conn.remote_addr(),
        format: spoken.codec.format(),
        spoken: spoken.clone(),
        resumes: Some(conn.clone()),
    };
    let verdict = caught(async { (server.identify)(stranger).await }, Err).await;
    match verdict.and_then(|verdict| verdict.sendable(&spoken.codec, server.env.limits.queue_bytes)) {
        Ok((Decision::Accept(cid, _), terms)) if cid == *conn.cid() => {
            // Where it has come back meanwhile, identify has decided over that, and it is not replaced.
            drop(server.registry.replace(&conn, || conn.0.standing.replace(Some(&before), &hello, terms)));
            if deciding.revokes(&conn) {
                conn.close(Closed::normal(Reason::REVOKED));
            }
            tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "identity renewed");
            Outcome::Renewed
        }
        Ok((Decision::Later(_), _)) => Outcome::Failed,
        Ok(_) => {
            tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "identity not renewed, refused");
            Outcome::Final
        }
        Err(error) => {
            let outcome = if is_of_stranger(&error) { Outcome::Final } else { Outcome::Failed };
            let remote_addr = conn.remote_addr();
            if let Some(told) = failed(server, Some(conn.clone()), remote_addr, Code::NOT_AUTHORIZED, None, error) {
                told.await;
            }
            outcome
        }
    }
}

/// What the device answers when it is asked for its identity. It is no larger than one that came in a hi.
async fn identity_of(conn: &Conn) -> Option<Payload<'static>> {
    let handle = &conn.0.handle;
    match send::identity(handle).await.ok()? {
        Ok(identity) if identity.as_bytes().len() <= conn.0.server.env.limits.auth_message_bytes => Some(identity),
        Ok(_) => {
            tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), "identity not renewed, too large");
            None
        }
        Err(error) => {
            let error = handle.codec().read_error(&error);
            tracing::debug!(cid = conn.cid().as_str(), conn_id = conn.conn_id(), %error, "identity not renewed");
            None
        }
    }
}
