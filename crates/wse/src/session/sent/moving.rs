//! The sent frames of a session that moves to another server.

use crate::session::{
    moving::{Held, Moving, Order, Relay, Relayed, Stage},
    sent::SentFrames,
};
use bytes::Bytes;
use std::{mem::replace, sync::Arc, time::Instant};
use wse_proto::{Again, FrameAge, Kept, Sent, Token, TokenCheck, TokenParts, Tokens};

/// Frames that were sent, and what resumes their session.
pub(crate) struct SentParts {
    pub(crate) acknowledged: u64,
    pub(crate) kept: Vec<Kept<Bytes>>,
    pub(crate) tokens: TokenParts,
}

impl SentFrames {
    /// The frames of a session that began at another server and has no connection. What is sent here is `held` until it
    /// has [arrived](Self::arrive). `None` where they are more than `limit` bytes.
    pub(crate) fn continued(
        parts: SentParts,
        held: &Arc<Held>,
        (limit, can_skip): (usize, bool),
        now: Instant,
    ) -> Option<Self> {
        let SentParts { acknowledged, kept, tokens } = parts;
        let copies = Sent::continued(limit, can_skip, acknowledged, kept).ok()?;
        let tokens = Some(Tokens::of_parts(tokens, now));
        let moving = Moving { stage: Stage::Arriving(held.clone()), given: 0, orders: Vec::new() };
        let moving = Some(Box::new(moving));
        Some(Self { copies, tokens, parked: true, moving, ..Self::new(None, limit, can_skip) })
    }

    /// Everything has come that was sent at the other server. What was held here goes behind it. False where it is too
    /// much.
    pub(crate) fn arrive(&mut self) -> bool {
        let Some(moving) = &mut self.moving else { return true };
        let Stage::Arriving(held) = replace(&mut moving.stage, Stage::Here) else { return true };
        if moving.orders.is_empty() {
            self.moving = None;
        }
        let Some(held) = held.take() else { return false };
        held.into_iter().all(|held| match held {
            Relayed::Frame(frame, age) => self.keep(frame, age),
            _ => true, // nothing else is held
        })
    }

    /// Keeps a frame while the session is parked. False where it is too much.
    pub(crate) fn keep(&mut self, frame: Bytes, age: Option<FrameAge>) -> bool {
        match age {
            None => self.push(frame).is_ok(),
            Some(age) => self.push_aging(frame, age).is_ok(),
        }
    }

    /// Whether it is at another server.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| matches!(moving.stage, Stage::Elsewhere(_)))
    }

    /// Whether what was sent at the server that had it has not all come.
    pub(crate) fn is_arriving(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| matches!(moving.stage, Stage::Arriving(_)))
    }

    /// Checks the token as if the session were resumed. With a good one the session is on its way from now on, and
    /// its task is told.
    pub(crate) fn give(&mut self, token: &Token, seen: u64, now: Instant, order: Order) -> TokenCheck {
        let check = self.check(token, seen, now);
        if check == TokenCheck::Good {
            self.set_out(order);
        }
        check
    }

    /// The same without a client that asks for it. False where it moves already, or a connection is on its way to it.
    pub(crate) fn offer(&mut self, order: Order) -> bool {
        let stays = self.is_moving() || self.claimed;
        if !stays {
            self.set_out(order);
        }
        !stays
    }

    fn set_out(&mut self, order: Order) {
        let given = self.copies.sent();
        self.moving = Some(Box::new(Moving { stage: Stage::OnItsWay, given, orders: vec![order] }));
    }

    /// What there is, for a session that is on its way. What is sent from now on does not replace any of it.
    pub(crate) fn parts(&mut self, now: Instant) -> SentParts {
        let kept = self.copies.again().map(|again| match again {
            Again::Frame(_, frame, age) => Kept::Frame(frame.clone(), age.cloned()),
            Again::Skip(places) => Kept::GivenUp(places),
        });
        let tokens = self.tokens.as_ref().map(|tokens| tokens.parts(now));
        let tokens = tokens.unwrap_or(TokenParts { current: None, before: Vec::new() });
        let parts = SentParts { acknowledged: self.copies.acknowledged(), kept: kept.collect(), tokens };
        let sent = self.copies.sent();
        self.copies.wrote(sent);
        if let Some(moving) = &mut self.moving {
            moving.given = sent;
        }
        parts
    }

    /// The session stays: nobody has taken it.
    pub(crate) fn come_back(&mut self) {
        if let Some(moving) = &mut self.moving
            && let Stage::OnItsWay = moving.stage
        {
            moving.stage = Stage::Here;
            moving.orders.push(Order::Return);
            self.copies.wrote(self.copies.acknowledged());
        }
    }

    /// The session is at another server from now on. What was sent since it was given goes there first. False where
    /// it is not on its way.
    pub(crate) fn leave(&mut self, relay: &Arc<dyn Relay>) -> bool {
        let Some(moving) = &mut self.moving else { return false };
        let Stage::OnItsWay = moving.stage else { return false };
        for again in self.copies.again() {
            if let Again::Frame(number, frame, age) = again
                && number > moving.given
            {
                relay.put(Relayed::Frame(frame.clone(), age.cloned()));
            }
        }
        moving.stage = Stage::Elsewhere(relay.clone());
        moving.orders.push(Order::Leave);
        self.copies.discard();
        true
    }

    /// Tells the task of a session that is elsewhere that a caller does not wait any more. False where none is there.
    pub(crate) fn cancel(&mut self, stamp: &str) -> bool {
        let Some(moving) = &mut self.moving else { return false };
        moving.orders.push(Order::Cancel(stamp.to_owned()));
        true
    }

    /// Whether it moves, or is elsewhere.
    pub(crate) fn is_moving(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| !matches!(moving.stage, Stage::Here))
    }

    /// What takes frames that are not kept here: it carries them to the server that has the session now, or holds them.
    pub(crate) fn relay(&self) -> Option<Arc<dyn Relay>> {
        match &self.moving.as_deref()?.stage {
            Stage::Elsewhere(relay) => Some(relay.clone()),
            Stage::Arriving(held) => Some(held.clone()),
            _ => None,
        }
    }

    /// For the task: what it has to do.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        let Some(moving) = &mut self.moving else { return Vec::new() };
        let orders = std::mem::take(&mut moving.orders);
        if let Stage::Here = moving.stage {
            self.moving = None;
        }
        orders
    }
}
