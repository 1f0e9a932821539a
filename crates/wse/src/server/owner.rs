//! What a server does with a connection: it asks identify, admits devices, and tells the application.
//! It never reads or writes the stream.

use crate::{
    app::erased::{BoxFuture, caught},
    connection::{
        handle::Handle,
        owner::{Asked, Env, Life, Opened, Owner, Report},
        parked::Resumption,
        spoken::Spoken,
    },
    server::{
        Inner,
        admission::{
            before_verdict::Permit,
            verdict::{Stranger, Unchallengeable},
        },
        event::Event,
        shutdown::LiveConnection,
        users::{
            conn::{Conn, ConnInner},
            id::DeviceId,
        },
    },
};
use http::request::Parts;
use std::{future::ready, net::IpAddr, sync::Arc};
use tokio::{runtime, time::Instant};
use wse_proto::{
    Accepted, AnyServerMachine, Cid, Closed, Code, DecodeError, KeptHello, Limits, ProtocolError, Question, Reason,
    Received, RpError, SessionGrant, SessionRequest, Token, TokenCheck,
};

pub(crate) struct ServerOwner {
    server: Arc<Inner>,
    device: Device,
    /// Lists the connection for the shutdown, until it is dropped with the task.
    _live: LiveConnection,
}

enum Device {
    /// Until it is accepted. What only that needs has a box: 64 bytes less in each task.
    Unidentified(Box<Unidentified>),
    Accepted {
        conn: Conn,
        /// The connection has ended, and its handlers may still run.
        handlers_outlive_it: bool,
    },
}

/// What is known of a device that was not accepted yet.
pub(crate) struct Unidentified {
    pub(crate) id: DeviceId,
    /// What the connection speaks; until its first frame has come, in the first format.
    pub(crate) spoken: Arc<Spoken>,
    pub(crate) remote_addr: Option<IpAddr>,
    /// The request, until the verdict.
    pub(crate) request: Option<Arc<Parts>>,
    /// Counts the device as a stranger, until it is accepted or its task ends.
    pub(crate) permit: Option<Permit>,
}

impl Owner for ServerOwner {
    type Machine = AnyServerMachine;
    type Who = Conn;

    fn env(&self) -> &Env<Conn> {
        &self.server.env
    }

    fn who(&self) -> Option<Conn> {
        self.conn().cloned()
    }

    fn ask(&mut self, question: Question) -> Asked<wse_proto::Decision> {
        let Device::Unidentified(device) = &mut self.device else { return never_asked() };
        let Some(request) = device.request.clone() else { return never_asked() };
        let server = self.server.clone();
        let format = question.hello.identity.format();
        let spoken = server.spoken(device.spoken.protocol_index, Some(format)).clone();
        device.spoken = spoken.clone();
        let stranger = Stranger { question, request, remote_addr: device.remote_addr, format, spoken: spoken.clone() };
        Box::pin(async move {
            let verdict = caught(async { (server.identify)(stranger).await }, Err).await;
            match verdict.and_then(|verdict| verdict.sendable(&spoken.codec, server.env.limits.queue_bytes)) {
                Ok(verdict) => (Ok(verdict), None),
                Err(error) if is_of_stranger(&error) => {
                    (Ok(wse_proto::Decision::Refuse(Reason::default())), Some(error))
                }
                Err(error) => (Err(server.later()), Some(error)),
            }
        })
    }

    fn open(&mut self, accepted: Accepted, handle: &Arc<Handle>) -> Result<Opened, Closed> {
        let Accepted { cid, welcome, hello, session, features } = accepted;
        let Device::Unidentified(device) = &mut self.device else { return Err(Closed::protocol_error()) }; // never
        (device.request, device.permit) = (None, None);
        let server = &self.server;
        let limits = &server.env.limits;
        if server.registry.is_behind(&cid) || server.events.is_behind(&cid) {
            return Err(Closed::slow());
        }
        let wanted = session.filter(|_| !limits.resume_window.is_zero());
        let wanted = wanted.map(|wanted| (wanted, Token::new(server.node.0, rand::random())));
        if let Some((SessionRequest::Resume { token: used, seen }, token)) = &wanted
            && let Some(found) = find_session(server, &device.spoken, &cid, used, token, *seen)?
        {
            let welcome = Some((welcome, grant(limits, token.clone(), cid, true)));
            let resumption = Resumption { seen: *seen, features, welcome, token: None, ready: None };
            return Ok(Opened::Resumed(found, resumption));
        }
        // The network may have delayed this hi, and the client may have connected by a later attempt
        // already.
        let may_be_stale = matches!(wanted, Some((SessionRequest::Resume { .. }, _)));
        let granted = wanted.map(|(_, token)| grant(limits, token, cid.clone(), false));
        handle.speak(&device.spoken);
        handle.set_features(features);
        let conn = Conn(Arc::new(ConnInner {
            handle: handle.clone(),
            cid,
            number: device.id.number,
            hello: KeptHello::from(&*hello),
            remote_addr: device.remote_addr.into(),
            server: server.clone(),
            runtime: runtime::Handle::try_current().ok(),
        }));
        // The welcome is queued before the registry has the connection, so it is its first frame.
        handle.welcome(&welcome, granted.as_ref()).map_err(|_| Closed::slow())?;
        let received = granted.map(|granted| {
            handle.begin_session(Some(granted.token), limits.session_bytes);
            Received::new(granted.beat, granted.window, Instant::now().into_std())
        });
        let added = server.registry.join(&conn, limits.conns_per_user, may_be_stale);
        self.device = Device::Accepted { conn, handlers_outlive_it: false };
        Ok(Opened::New { ready: added.ready, received, provisional: added.unconfirmed })
    }

    fn unable(&self) -> Closed {
        self.server.later()
    }

    fn on(&mut self, life: Life<'_>) {
        let (conn, handlers_outlive_it) = match &mut self.device {
            Device::Accepted { conn, handlers_outlive_it } => (&*conn, handlers_outlive_it),
            Device::Unidentified(device) => {
                if let Life::Ended(closed) = life {
                    // The permit stays until the task ends, since listeners may still run for this device.
                    device.request = None;
                    let remote_addr = device.remote_addr.map(tracing::field::display);
                    tracing::debug!(%closed, remote_addr, "unauthenticated connection closed");
                }
                return;
            }
        };
        let registry = &self.server.registry;
        match life {
            Life::Parked { closed, .. } => {
                tracing::debug!(%closed, cid = conn.cid().as_str(), conn_id = conn.conn_id(), "session parked");
                registry.parked(conn);
            }
            Life::Waiting { inbox_bytes } => conn.0.handle.take_slot(&self.server.parking, inbox_bytes),
            Life::Resumed(_) => registry.resumed(conn),
            Life::Confirmed => registry.confirmed(conn, self.server.env.limits.conns_per_user),
            Life::Ended(closed) => registry.leave(conn, closed),
            Life::StreamGone { .. } => {
                if !std::mem::replace(handlers_outlive_it, true) {
                    registry.handlers_outlive(conn.cid());
                }
            }
        }
    }

    fn report(&self, report: Report<'_>) -> Option<BoxFuture<()>> {
        let (conn, remote_addr, listeners) = (self.who(), self.remote_addr(), &self.server.listeners);
        let event = match report {
            Report::Ignored { name, payload } => {
                tracing::debug!(name, "message ignored");
                if listeners.is_empty() {
                    return None; // before the payload is copied
                }
                Event::Ignored { conn: conn?, name: name.into(), payload: payload.borrowed().into_owned() }
            }
            Report::Failed { code, name, error } => {
                let cid = conn.as_ref().map(|conn| conn.cid().as_str());
                tracing::warn!(code, name, cid, %error, "handler failed");
                Event::Error { code, conn, remote_addr, name: name.map(Arc::from), error: Arc::new(error) }
            }
            Report::Late => {
                // Its future is dropped without an error, so nothing else tells the operator.
                tracing::warn!(
                    remote_addr = remote_addr.map(tracing::field::display),
                    "identify was late, connection closed"
                );
                return None;
            }
            Report::Rejected(error) => {
                if listeners.is_empty() {
                    return None;
                }
                let untold = self.server.breaches.tell(Instant::now())?;
                let error = Arc::new(breach(&error, untold));
                let code = Code::MSG_PROCESSING_ERROR;
                Event::Error { code, conn, remote_addr, name: None, error }
            }
        };
        listeners.happened(event).and_then(|event| listeners.tell(event))
    }
}

impl ServerOwner {
    pub(crate) fn new(server: Arc<Inner>, device: Unidentified, live: LiveConnection) -> Self {
        Self { server, device: Device::Unidentified(Box::new(device)), _live: live }
    }

    fn conn(&self) -> Option<&Conn> {
        match &self.device {
            Device::Accepted { conn, .. } => Some(conn),
            Device::Unidentified(_) => None,
        }
    }

    fn remote_addr(&self) -> Option<IpAddr> {
        match &self.device {
            Device::Accepted { conn, .. } => conn.remote_addr(),
            Device::Unidentified(device) => device.remote_addr,
        }
    }
}

/// A machine asks nothing after the verdict.
fn never_asked() -> Asked<wse_proto::Decision> {
    Box::pin(ready((Ok(wse_proto::Decision::Refuse(Reason::default())), None)))
}

/// The session of that user which the token resumes, if there is one that speaks the same; the token is
/// used up then.
///
/// # Errors
/// When the token cannot be judged yet. The connection ends, and the client tries again.
fn find_session(
    server: &Inner,
    spoken: &Arc<Spoken>,
    cid: &Cid,
    used: &Token,
    next: &Token,
    seen: u64,
) -> Result<Option<Arc<Handle>>, Closed> {
    let now = Instant::now().into_std();
    for conn in server.registry.of_user(cid).iter() {
        if !Arc::ptr_eq(conn.0.handle.spoken(), spoken) {
            continue; // its frames are of another codec
        }
        match conn.0.handle.session(|session| session.claim(used, next, seen, now)) {
            Some(TokenCheck::Good) => return Ok(Some(conn.0.handle.clone())),
            Some(TokenCheck::TooSoon) => return Err(Closed::broken(Reason::default())),
            Some(TokenCheck::Unknown) | None => {}
        }
    }
    Ok(None)
}

fn grant(limits: &Limits, token: Token, cid: Cid, resumed: bool) -> SessionGrant {
    let Limits { ping_interval: beat, resume_window: window, message_bytes, .. } = *limits;
    SessionGrant { token, cid, seen: 0, resumed, beat, window, message_bytes: Some(message_bytes as u64) }
}

/// Whether there is no verdict because of what the stranger is: what it said of itself is not of the type
/// asked for, or it cannot be challenged. The next time is no different.
fn is_of_stranger(error: &RpError) -> bool {
    error.source().is_some_and(|source| source.is::<DecodeError>() || source.is::<Unchallengeable>())
}

/// What the application is told of a stranger that broke the protocol.
fn breach(error: &ProtocolError, untold: u64) -> RpError {
    let more = if untold > 0 { format!("; {untold} more were not told") } else { String::new() };
    RpError::new(Code::PROTOCOL_VIOLATION).message(format!("{error}{more}"))
}

impl Drop for ServerOwner {
    fn drop(&mut self) {
        if let Device::Accepted { conn, handlers_outlive_it: true } = &self.device {
            self.server.registry.handlers_ended(conn.cid());
        }
    }
}
