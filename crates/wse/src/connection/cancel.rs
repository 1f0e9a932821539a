//! The calls of the peer whose caller does not wait any more: it has cancelled them, or their time is over.
//! They do not start, and are not answered.

use crate::connection::{
    owner::{Life, Owner, Report},
    task::Connection,
    turn,
};
use tokio::time::Instant;
use wse_proto::{Code, Envelope, Features, RpError, bare, time_left};

/// What it costs to look at one envelope of the inbox, in bytes that could be sent meanwhile.
const LOOK: usize = 16;

impl<O: Owner> Connection<O> {
    /// Lets go of a call that its caller has cancelled: if it has not started it never does, and a procedure
    /// at work is told.
    pub(super) fn cancel(&mut self, stamp: &str) {
        let stamp = bare(stamp);
        turn::produced(self.inbox.len() * LOOK); // a peer that sends many of them has shorter turns
        match &mut self.checking {
            Some(checking) if checking.envelope.stamp.as_deref().map(bare) == Some(stamp) => checking.waits.give_up(),
            _ if self.running.give_up(stamp) || self.inbox.remove(stamp) => {}
            _ => self.owner.on(Life::Uncancelled(stamp)),
        }
    }

    /// When the caller of a call that has just come does not wait any more, if the call says so.
    pub(super) fn until(&self, envelope: &Envelope<'_>) -> Option<Instant> {
        let stamp = envelope.stamp.as_deref()?;
        let left = time_left(stamp).filter(|_| self.handle.features().has(Features::TIME))?;
        self.now.checked_add(left)
    }

    /// Whether its caller does not wait any more.
    pub(super) fn is_late(&self, until: Option<Instant>) -> bool {
        until.is_some_and(|until| until <= self.now)
    }

    /// Reports with what a call has failed whose caller does not wait any more, unless it was on purpose.
    pub(super) fn given_up<T>(&mut self, result: Result<T, RpError>, rp: &str) {
        if let Err(error) = result
            && error.source().is_some()
        {
            self.report(Report::Failed { code: Code::RP_FAILED, name: Some(rp), error });
        }
    }
}
