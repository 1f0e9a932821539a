//! The server's side of a connection: asks identify, admits devices, tells the application.
//! It may never read or write the socket.

use crate::{
    app::{
        handlers::Handlers,
        hooks::Hooks,
        run::{BoxFuture, caught},
    },
    connection::{
        handle::Handle,
        owner::{Asked, Opened, Owner, Report},
        resume::{Claim, Resumption},
    },
    server::{
        Inner,
        admission::{before_verdict::Permit, verdict::Stranger},
        event::Event,
        shutdown::Entry,
        users::{
            conn::{Conn, ConnInner},
            id::DeviceId,
        },
    },
};
use http::request::Parts;
use std::{future::ready, net::IpAddr, sync::Arc};
use tokio::time::Instant;
use wse_proto::{
    Accepted, AnyServerMachine, Cid, Closed, Limits, Question, Reason, Received, SessionGrant, SessionRequest, Token,
    TokenCheck,
};

pub(crate) struct ServerOwner {
    pub(crate) server: Arc<Inner>,
    pub(crate) id: DeviceId,
    pub(crate) protocol: usize,
    pub(crate) remote_addr: Option<IpAddr>,
    /// The request, until the verdict.
    pub(crate) request: Option<Arc<Parts>>,
    /// The place among the strangers, until the device is accepted or its task ends.
    pub(crate) permit: Option<Permit>,
    /// After the verdict.
    pub(crate) conn: Option<Conn>,
    /// Its connection has ended, but not its handlers.
    pub(crate) handlers_outlive_it: bool,
    /// Gone with the connection.
    pub(crate) _alive: Entry,
}

impl Owner for ServerOwner {
    type Session = AnyServerMachine;
    type Who = Conn;

    fn who(&self) -> Option<Conn> {
        self.conn.clone()
    }

    fn handlers(&self) -> &Handlers<Conn> {
        &self.server.handlers
    }

    fn hooks(&self) -> &Hooks<Conn> {
        &self.server.hooks
    }

    fn limits(&self) -> &Limits {
        &self.server.limits
    }

    fn expose_errors(&self) -> bool {
        self.server.expose_errors
    }

    fn ask(&mut self, question: Question) -> Asked<wse_proto::Decision> {
        let Some(request) = self.request.clone() else {
            // Never asked after the verdict.
            return Box::pin(ready((Ok(wse_proto::Decision::Refuse(Reason::default())), None)));
        };
        let server = self.server.clone();
        let format = question.hello.identity.format();
        let codec = server.codecs[server.codec_of(self.protocol, Some(format))].codec.clone();
        let protocol = server.protocols[self.protocol].clone();
        let stranger = Stranger { question, request, remote_addr: self.remote_addr, format, protocol };
        Box::pin(async move {
            let verdict = caught(async { (server.identify)(stranger).await }, Err).await;
            match verdict.and_then(|verdict| verdict.sendable(&codec, server.limits.queue_bytes)) {
                Ok(verdict) => (Ok(verdict), None),
                Err(error) => {
                    let reason = codec.refusal(&error, server.expose_errors);
                    (Ok(wse_proto::Decision::Refuse(reason)), Some(error))
                }
            }
        })
    }

    fn open(&mut self, accepted: Accepted, handle: &Arc<Handle>) -> Result<Opened, Closed> {
        let Accepted { cid, welcome, hello, session } = accepted;
        (self.request, self.permit) = (None, None);
        if self.server.registry.is_behind(&cid) || self.server.events.is_behind(&cid) {
            return Err(Closed::slow());
        }
        let codec = self.server.codec_of(self.protocol, Some(hello.identity.format()));
        let session = session.filter(|_| !self.server.limits.resume_window.is_zero());
        let token = Token::new(0, rand::random());
        // The hi of an attempt that was given up, held back by the network while the next one resumed?
        let may_be_late = matches!(session, Some(SessionRequest::Resume { .. }));
        if let Some(SessionRequest::Resume { token: used, seen }) = &session {
            let now = Instant::now().into_std();
            for conn in self.server.registry.of_user(&cid).into_iter().filter(|conn| conn.0.codec == codec) {
                match conn.0.handle.outbox.claim(used, &token, *seen, now) {
                    TokenCheck::Good => {
                        let granted = self.grant(token, cid, true);
                        let (handle, seen, welcome) = (conn.0.handle.clone(), *seen, Some((welcome, granted)));
                        let resumption = Resumption { seen, welcome, token: None, ready: None };
                        return Ok(Opened::Resumed(Claim { handle, resumption }));
                    }
                    TokenCheck::TooSoon => return Err(Closed::broken(Reason::default())), // it comes again
                    TokenCheck::Unknown => {}
                }
            }
        }
        let granted = session.map(|_| self.grant(token, cid.clone(), false));
        handle.speak(self.server.codecs[codec].codec.clone());
        let conn = Conn(Arc::new(ConnInner {
            handle: handle.clone(),
            cid,
            id: self.id,
            protocol: self.protocol,
            codec,
            hello,
            remote_addr: self.remote_addr,
            server: self.server.clone(),
        }));
        // The welcome is queued before anybody can find the connection, so it is its first frame.
        handle.welcome(&welcome, granted.as_ref()).map_err(|_| Closed::slow())?;
        let ledger = granted.map(|granted| {
            let now = Instant::now().into_std();
            let ledger = Received::new(granted.beat, granted.window, now);
            handle.outbox.keep(Some(granted.token), self.server.limits.session_bytes);
            ledger
        });
        let joined = self.server.registry.join(&conn, self.server.limits.conns_per_user, may_be_late);
        self.conn = Some(conn);
        Ok(Opened::New { ready: joined.ready, ledger, on_trial: joined.unconfirmed })
    }

    fn parked(&mut self, closed: &Closed, _taken: u64) {
        let Some(conn) = &self.conn else { return };
        tracing::debug!(%closed, cid = conn.cid().as_str(), conn_id = self.id.number, "parked");
        self.server.registry.parked(conn);
    }

    fn waits(&mut self, bytes: usize) {
        let Some(conn) = &self.conn else { return };
        let handle = &conn.0.handle;
        let (slot, evicted) = self.server.parking.enter(handle.clone(), bytes + handle.outbox.kept_bytes());
        handle.outbox.take_slot(slot);
        evicted.end();
    }

    fn resumed(&mut self, _: Option<Token>) {
        let Some(conn) = &self.conn else { return };
        self.server.registry.resumed(conn);
    }

    fn confirmed(&mut self) {
        let Some(conn) = &self.conn else { return };
        self.server.registry.confirmed(conn, self.server.limits.conns_per_user);
    }

    fn report(&self, report: Report<'_>) -> Option<BoxFuture<()>> {
        let conn = self.conn.clone();
        let event = match report {
            Report::Ignored { name, payload } => {
                tracing::debug!(name, "a message that no handler listens to");
                Event::Ignored { conn: conn?, name: name.into(), payload: payload.borrowed().into_owned() }
            }
            Report::Failed { code, name, error } => {
                let cid = conn.as_ref().map(|conn| conn.cid().as_str());
                tracing::warn!(code, name, cid, %error, "failed");
                Event::Error { code, conn, name: name.map(Arc::from), error: Arc::new(error) }
            }
        };
        let listeners = &self.server.listeners;
        listeners.happened(event).and_then(|event| listeners.tell(event))
    }

    fn stream_gone(&mut self, _: &Closed, _: bool) {
        if let (Some(conn), false) = (&self.conn, self.handlers_outlive_it) {
            self.server.registry.handlers_outlive(conn.cid());
            self.handlers_outlive_it = true;
        }
    }

    fn ended(&mut self, closed: &Closed) {
        // A stranger's place goes with the task: what the application is told of it may still wait.
        self.request = None;
        match &self.conn {
            Some(conn) => self.server.registry.leave(conn, closed),
            None => tracing::debug!(%closed, remote_addr = ?self.remote_addr, "unauthenticated connection closed"),
        }
    }
}

impl ServerOwner {
    fn grant(&self, token: Token, cid: Cid, resumed: bool) -> SessionGrant {
        let Limits { ping_interval: beat, resume_window: window, .. } = self.server.limits;
        SessionGrant { token, cid, seen: 0, resumed, beat, window }
    }
}

impl Drop for ServerOwner {
    fn drop(&mut self) {
        if let (Some(conn), true) = (&self.conn, self.handlers_outlive_it) {
            self.server.registry.handlers_ended(conn.cid());
        }
    }
}
