//! Does what the node says: hands messages of other nodes to devices of this one, closes devices, tells the
//! application. It never waits.

use crate::server::{
    Inner, Server,
    cluster::{
        calls::{self, Call, Calls},
        closing,
        event::ClusterEvent,
        member::Member,
    },
    event::Event,
    moves::{giving, relay, taking, told::MOVES},
    users::{deliver::nodes, retaining, user::User},
};
use std::{sync::Arc, time::Duration};
use tokio::runtime;
use wse_cluster::{Leaving, Output};
use wse_proto::{Cid, Closed, Reason};

/// Does one thing that the node has said.
pub(crate) fn act(server: &Arc<Inner>, member: &Member, calls: &mut Calls, output: Output) {
    match output {
        Output::Evict(device) => {
            nodes::close_here(server, &[device], &Closed::normal(Reason::CLIENTS_CONCURRENCY));
        }
        Output::Close { devices, closed } => {
            let Some(closed) = closing::read(&closed) else { return malformed("close") };
            nodes::close_here(server, &devices, &closed);
        }
        Output::Deliver { from, to, message } => nodes::arrived(server, from, &to, &message),
        Output::Joined(cid) => joined(server, cid),
        Output::Left(cid, leaving) => left(server, cid, leaving),
        Output::Changed { cid, left } => server.watching.changed_elsewhere(&cid, left, here().as_ref()),
        Output::Call { from, id, device, remaining_ms, body } => {
            let call = Call { device, within: Duration::from_millis(remaining_ms.into()), body };
            if let Some(answer) = calls.start(server, (from, id), call) {
                calls::answer(member, (from, id), answer);
            }
        }
        Output::Cancel { from, id } => calls.cancel(&(from, id)),
        Output::Up(node) => {
            retaining::up(server, node);
            tell(server, ClusterEvent::Up(node));
        }
        Output::Down(node, why) => {
            calls.cancel_all(node);
            relay::down(server, node);
            tell(server, ClusterEvent::Down(node, why));
        }
        Output::Deaf => tell(server, ClusterEvent::Deaf),
        Output::Back => {
            retaining::back(server);
            tell(server, ClusterEvent::Back);
        }
        Output::Gap { to, sends } => {
            retaining::missed(server, to);
            tell(server, ClusterEvent::Gap { to, sends });
        }
        Output::Reconnect => member.reconnect(),
        Output::Ended(id, end) => member.waiting.end(id, end),
        Output::Take { from, id, device, body } => giving::asked(server, from, id, device, &body),
        Output::Taken(id, session) => taking::taken(server, id, session),
        Output::Moved { device, to } => giving::has_moved(server, device, to),
        Output::Returned(entry) => giving::returned(server, entry.id),
        Output::Offered { from, id, entry, body } => taking::offered(server, from, id, entry.id, &body),
        Output::App { body, .. } if body.first() == Some(&MOVES) => relay::heard(server, &body),
        Output::App { from, body } => retaining::told(server, from, &body),
        Output::Seen { from, device } => server.moves.seen(from, device),
    }
}

/// Tells nodes again what they did not take of sessions, and the application of what was given up.
pub(crate) fn act_again(server: &Inner, member: &Member) {
    for (to, sends) in relay::tell_again(server, member) {
        tell(server, ClusterEvent::Gap { to, sends });
    }
}

fn joined(server: &Arc<Inner>, cid: Cid) {
    let hello = server.registry.first_hello(&cid);
    let user = User::new(Server(server.clone()), cid.clone(), hello);
    server.events.report(&cid, Event::Joined(user), here());
}

/// A user has left, by the end of the last device: of one that was lost with its node nothing more is known.
fn left(server: &Arc<Inner>, cid: Cid, leaving: Option<Leaving>) {
    let closed = leaving.and_then(|leaving| closing::read(&leaving.closed));
    let closed = closed.unwrap_or_else(|| Closed::broken(Reason::default()));
    let user = User::new(Server(server.clone()), cid.clone(), None);
    server.events.report(&cid, Event::Left(user, closed), here());
}

fn tell(server: &Inner, event: ClusterEvent) {
    event.log();
    server.events.tell_of_nobody(Event::Cluster(event), here());
}

/// The runtime of the driver, in which the application is told of what other nodes did.
fn here() -> Option<runtime::Handle> {
    runtime::Handle::try_current().ok()
}

/// Another node has written what this one cannot read: it is of a version that it must not be of.
fn malformed(what: &str) {
    tracing::warn!(what, "malformed body from another node");
}
