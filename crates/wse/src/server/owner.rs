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
        Inner, Server,
        admission::before_verdict::Permit,
        event::Event,
        failures::{breach, failed, log_breach},
        moves::{bring::bring, giving, relay},
        renewal::{Next, Renewal},
        revocations::Deciding,
        sessions,
        shutdown::LiveConnection,
        users::{
            conn::{Conn, ConnInner},
            joining::join_rooms_of_user,
            standing::{Standing, Terms},
        },
        verdict::{Stranger, is_of_stranger},
    },
};
use http::request::Parts;
use std::{cell::Cell, future::ready, net::IpAddr, sync::Arc, task::Context};
use tokio::{runtime, sync::oneshot, time::Instant};
use wse_cluster::DeviceId;
use wse_proto::{Accepted, AnyServerMachine, Closed, Code, Question, Reason, Received, SessionRequest};

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
        /// What few devices have at a time. In a box, so that a task is not larger for it.
        rare: Option<Box<Rare>>,
    },
}

#[derive(Default)]
struct Rare {
    /// The connection has ended, and its handlers may still run.
    handlers_outlive_it: bool,
    /// Of an identity that ends.
    renewal: Option<Renewal>,
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
    /// What identify decides, from the question on.
    pub(crate) decision: Option<OpenDecision>,
    /// The log has a line that says why the connection ends, so the end has none of its own.
    pub(crate) logged: Cell<bool>,
}

/// A decision of identify, and what it brings besides the machine's.
pub(crate) struct OpenDecision {
    deciding: Deciding,
    terms: oneshot::Receiver<Terms>,
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
        let (tell, terms) = oneshot::channel();
        device.decision = Some(OpenDecision { deciding: Deciding::begin(&Server(server.clone())), terms });
        let resumes = question.session.as_ref().and_then(|wanted| sessions::resumable(&server, &spoken, wanted));
        let remote_addr = device.remote_addr;
        let wanted = question.session.clone();
        let stranger = Stranger { question, request, remote_addr, format, spoken: spoken.clone(), resumes };
        Box::pin(async move {
            let verdict = caught(async { (server.identify)(stranger).await }, Err).await;
            match verdict.and_then(|verdict| verdict.sendable(&spoken.codec, server.env.limits.queue_bytes)) {
                Ok((decision, terms)) => {
                    if let (wse_proto::Decision::Accept(cid, _), Some(SessionRequest::Resume { token, seen })) =
                        (&decision, &wanted)
                        && let Err(closed) = bring(&server, &spoken, remote_addr, cid, token, *seen).await
                    {
                        return (Err(closed), None);
                    }
                    let _ = tell.send(terms); // the device may have left meanwhile
                    (Ok(decision), None)
                }
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
        let Some(OpenDecision { deciding, mut terms }) = device.decision.take() else { return Err(Closed::slow()) }; // never
        let terms = terms.try_recv().unwrap_or_default();
        if terms.term.is_some_and(|term| Instant::now() >= term.end) {
            return Err(Closed::normal(Reason::IDENTITY_EXPIRED));
        }
        let server = &self.server;
        let limits = &server.env.limits;
        if server.registry.is_behind(&cid) || server.events.is_behind(&cid) {
            return Err(Closed::slow());
        }
        let wanted = session.filter(|_| !limits.resume_window.is_zero());
        if let Some(SessionRequest::Resume { token, seen }) = &wanted
            && let Some((conn, token)) = sessions::resumed(server, &device.spoken, &cid, token, *seen)?
        {
            drop(server.registry.replace(&conn, || conn.0.standing.replace(None, &hello, terms)));
            if deciding.revokes(&conn) {
                conn.close(Closed::normal(Reason::REVOKED));
                return Err(Closed::normal(Reason::REVOKED));
            }
            let welcome = Some((welcome, sessions::grant(limits, token, cid, true)));
            let resumption = Resumption { seen: *seen, features, welcome, token: None, ready: None };
            return Ok(Opened::Resumed(conn.0.handle.clone(), resumption));
        }
        // The network may have delayed this hi, and the client may have connected by a later attempt
        // already.
        let may_be_stale = matches!(wanted, Some(SessionRequest::Resume { .. }));
        let granted = wanted.map(|_| sessions::grant(limits, sessions::token(device.id), cid.clone(), false));
        handle.speak(&device.spoken);
        handle.set_features(features);
        let conn = Conn(Arc::new(ConnInner {
            handle: handle.clone(),
            cid,
            id: device.id,
            standing: Standing::new(&hello, terms),
            remote_addr: device.remote_addr.into(),
            server: server.clone(),
            runtime: runtime::Handle::try_current().ok(),
        }));
        if deciding.revokes(&conn) {
            return Err(Closed::normal(Reason::REVOKED));
        }
        // The welcome is queued before the registry has the connection, so it is its first frame.
        handle.welcome(&welcome, granted.as_ref()).map_err(|_| Closed::slow())?;
        let received = granted.map(|granted| {
            handle.begin_session(Some(granted.token), limits.session_bytes);
            Received::new(granted.beat, granted.window, Instant::now().into_std())
        });
        // One that may be stale counts behind those at other nodes too.
        let elsewhere = if may_be_stale { server.devices_elsewhere(conn.cid()) } else { 0 };
        let added = server.registry.join(&conn, limits.conns_per_user.saturating_sub(elsewhere), may_be_stale);
        join_rooms_of_user(&conn);
        if deciding.revokes(&conn) {
            conn.close(Closed::normal(Reason::REVOKED)); // revoked after the last look, and before it was there
        }
        let mut rare = None;
        renew_later(&mut rare, &conn);
        self.device = Device::Accepted { conn, rare };
        Ok(Opened::New { ready: added.ready, received, provisional: added.unconfirmed })
    }

    fn leaves(&mut self, closed: &Closed) -> bool {
        let Device::Accepted { conn, .. } = &self.device else { return false };
        giving::leave(conn, closed)
    }

    fn unable(&self) -> Closed {
        self.server.later()
    }

    fn poll_due(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<Instant> {
        let Device::Accepted { conn, rare: Some(rare) } = &mut self.device else { return None };
        while let Some(renewal) = &mut rare.renewal {
            match renewal.poll(conn, now, cx) {
                Next::At(next) => return Some(next),
                Next::Renewed => rare.renewal = Renewal::of(conn),
                Next::Over => rare.renewal = None,
            }
        }
        None
    }

    fn on(&mut self, life: Life<'_>) {
        let (conn, rare) = match &mut self.device {
            Device::Accepted { conn, rare } => (&*conn, rare),
            Device::Unidentified(device) => {
                if let Life::Ended(closed) = life {
                    // The permit stays until the task ends, since listeners may still run for this device.
                    (device.request, device.decision) = (None, None);
                    if !device.logged.get() {
                        let remote_addr = device.remote_addr.map(tracing::field::display);
                        tracing::debug!(%closed, remote_addr, "unauthenticated connection closed");
                    }
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
            Life::Unsettled { stamp, answer } => relay::unsettled(conn, stamp, answer),
            Life::Uncancelled(stamp) => relay::uncancelled(conn, stamp),
            Life::Left => {
                rare.get_or_insert_default().renewal = None;
                note_outliving(rare, conn);
            }
            Life::Resumed(_) => {
                renew_later(rare, conn); // identify has decided anew
                registry.resumed(conn);
            }
            Life::Confirmed => registry.confirmed(conn, self.server.env.limits.conns_per_user),
            Life::Ended(closed) => {
                *rare = None; // a renewal ends here
                if closed.code == Closed::slow().code {
                    tracing::debug!(%closed, cid = conn.cid().as_str(), conn_id = conn.conn_id(), "slow device closed");
                }
                registry.leave(conn, closed);
                relay::ended(conn, closed);
            }
            Life::StreamGone { .. } => note_outliving(rare, conn),
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
                self.note_log();
                return failed(&self.server, conn, remote_addr, code, name, error);
            }
            Report::Late => {
                self.note_log();
                // Its future is dropped without an error, so nothing else tells the operator.
                tracing::warn!(
                    remote_addr = remote_addr.map(tracing::field::display),
                    "identify was late, connection closed"
                );
                return None;
            }
            Report::Garbage(error) => {
                log_breach(conn.as_ref(), remote_addr, error);
                return None;
            }
            Report::Rejected(error) => {
                self.note_log();
                log_breach(conn.as_ref(), remote_addr, error);
                if listeners.is_empty() || conn.is_some() {
                    return None; // of a device the event of its end tells
                }
                let untold = self.server.breaches.tell(Instant::now())?;
                let error = Arc::new(breach(error, untold));
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

    /// That of a session that has come from another node.
    pub(crate) fn moved(server: Arc<Inner>, conn: Conn, live: LiveConnection) -> Self {
        let mut rare = None;
        renew_later(&mut rare, &conn);
        Self { server, device: Device::Accepted { conn, rare }, _live: live }
    }

    fn conn(&self) -> Option<&Conn> {
        match &self.device {
            Device::Accepted { conn, .. } => Some(conn),
            Device::Unidentified(_) => None,
        }
    }

    /// Notes that the log says why the connection of a stranger ends.
    fn note_log(&self) {
        if let Device::Unidentified(device) = &self.device {
            device.logged.set(true);
        }
    }

    fn remote_addr(&self) -> Option<IpAddr> {
        match &self.device {
            Device::Accepted { conn, .. } => conn.remote_addr(),
            Device::Unidentified(device) => device.remote_addr,
        }
    }
}

/// Notes when the identity of a device ends, if it does.
fn renew_later(rare: &mut Option<Box<Rare>>, conn: &Conn) {
    let renewal = Renewal::of(conn);
    if renewal.is_some() || rare.is_some() {
        rare.get_or_insert_default().renewal = renewal;
    }
}

/// Notes that handlers of a device may still run, which is not there any more.
fn note_outliving(rare: &mut Option<Box<Rare>>, conn: &Conn) {
    if !std::mem::replace(&mut rare.get_or_insert_default().handlers_outlive_it, true) {
        conn.0.server.registry.handlers_outlive(conn.cid());
    }
}

/// A machine asks nothing after the verdict.
fn never_asked() -> Asked<wse_proto::Decision> {
    Box::pin(ready((Ok(wse_proto::Decision::Refuse(Reason::default())), None)))
}

impl Drop for ServerOwner {
    fn drop(&mut self) {
        if let Device::Accepted { conn, rare: Some(rare) } = &self.device
            && rare.handlers_outlive_it
        {
            self.server.registry.handlers_ended(conn.cid());
        }
    }
}
