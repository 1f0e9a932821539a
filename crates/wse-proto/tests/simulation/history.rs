//! What has happened in a run, and whether it may have: each report is checked against all before
//! it. It does not see how a machine or a driver came to what it reports.

use crate::{ages::Record, count::Count, network::Side, returns::Returns};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use wse_proto::Limits;

/// Who reports: a client's or the server's end of a conversation, from its beginning to its end.
pub(crate) type Name = u64;

#[derive(Debug)]
struct Party {
    side: Side,
    /// Whom it talks to: for ever the same.
    peer: Option<Name>,
    /// The conversation is open, with a session or without.
    open: Option<bool>,
    /// Since when it has no connection.
    parked: Option<Instant>,
    /// Frames, from 1 on without a gap.
    sent: u64,
    received: u64,
    acknowledged: u64,
    /// How many of its frames were never confirmed, as it was told when it ended.
    ended: Option<u64>,
}

#[derive(Debug)]
struct Call {
    from: Name,
    until: Instant,
    invoked: bool,
    answered: bool,
    ended: Option<Ending>,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    TimedOut,
    Disconnected,
}

/// What is seen of a party between two steps.
pub(crate) struct Sight {
    pub(crate) name: Name,
    pub(crate) kept: Option<usize>,
    /// How many it says it has taken in, in a session.
    pub(crate) taken: u64,
    /// How many its peer should soon be told of, and since when.
    pub(crate) untold: Option<(u64, Instant)>,
    /// When a peer that it believes to be there last said something, and last took something.
    pub(crate) heard: Option<(Instant, Option<Instant>)>,
}

pub(crate) struct History {
    pub(crate) now: Instant,
    start: Instant,
    limits: Limits,
    parties: BTreeMap<Name, Party>,
    calls: BTreeMap<u64, Call>,
    pending: BTreeSet<u64>,
    /// Who is there, and as whom; with the connections of each.
    present: BTreeMap<String, BTreeSet<Name>>,
    told: bool,
    /// Of everything that was reported: the same in every run of a seed.
    pub(crate) print: u64,
    pub(crate) count: Count,
    pub(crate) returns: Returns,
    pub(crate) ages: Record,
}

impl History {
    /// `told`: every report is printed.
    pub(crate) fn new(start: Instant, limits: Limits, told: bool) -> Self {
        Self {
            now: start,
            start,
            limits,
            parties: BTreeMap::new(),
            calls: BTreeMap::new(),
            pending: BTreeSet::new(),
            present: BTreeMap::new(),
            told,
            print: 0,
            count: Count::default(),
            returns: Returns::default(),
            ages: Record::default(),
        }
    }

    /// How long the run has lasted.
    pub(crate) fn age(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>9.3}  {}", self.age().as_secs_f64(), what());
        }
    }

    fn mark(&mut self, what: &str, name: Name, number: u64) {
        let millis = self.age().as_millis() as u64;
        for part in [u64::from(what.as_bytes()[0]), millis, name, number] {
            self.print = (self.print ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        self.note(|| format!("{name} {what} {number}"));
    }

    fn party(&mut self, name: Name) -> &mut Party {
        self.parties.get_mut(&name).expect("it has begun")
    }

    pub(crate) fn begun(&mut self, name: Name, side: Side) {
        let party =
            Party { side, peer: None, open: None, parked: None, sent: 0, received: 0, acknowledged: 0, ended: None };
        assert!(self.parties.insert(name, party).is_none(), "{name} begins twice");
        self.mark("begins", name, side as u64);
    }

    /// The conversation is open, with a session or without; the peer is known to the server.
    pub(crate) fn opened(&mut self, name: Name, peer: Option<Name>, session: bool) {
        self.mark("opens", name, peer.unwrap_or_default());
        let party = self.party(name);
        assert_eq!((party.open, party.ended), (None, None), "{name} opens again");
        (party.open, party.peer) = (Some(session), peer);
    }

    pub(crate) fn sent(&mut self, name: Name, number: u64) {
        self.mark("sends", name, number);
        let party = self.party(name);
        party.sent += 1;
        assert_eq!(party.sent, number, "{name} counts wrong");
        assert_eq!(party.ended, None, "{name} sends after its end");
    }

    /// What the application of `name` gets: nothing before it is let in, nothing after its end,
    /// from its one peer all and in order.
    pub(crate) fn received(&mut self, name: Name, from: Name, number: u64) {
        self.mark("receives", name, number);
        self.count.received += 1;
        let sent = self.party(from).sent;
        let party = self.party(name);
        assert!(party.open.is_some() && party.ended.is_none() && party.parked.is_none(), "{name} is deaf: {party:?}");
        assert_eq!(*party.peer.get_or_insert(from), from, "{name} hears another party");
        party.received += 1;
        assert_eq!(party.received, number, "{name} misses a frame, or has one twice");
        assert!(number <= sent, "{name} hears what was not said");
        assert_eq!(*self.party(from).peer.get_or_insert(name), name, "{from} is heard by another party");
    }

    /// Counts places of its peer that were given up. Returns their numbers.
    pub(crate) fn skip(&mut self, name: Name, count: u64) -> std::ops::RangeInclusive<u64> {
        self.mark("skips", name, count);
        let party = self.party(name);
        assert!(
            party.open == Some(true) && party.ended.is_none() && party.parked.is_none(),
            "{name} is deaf: {party:?}"
        );
        party.received += count;
        party.received + 1 - count..=party.received
    }

    pub(crate) fn acknowledged(&mut self, name: Name, count: u64) {
        self.mark("is confirmed", name, count);
        let received = self.heard_by_peer(name);
        assert!(count <= received, "{name} is told that {count} have arrived, and it was {received}");
        let party = self.party(name);
        assert!(count >= party.acknowledged, "{name} is told less than before");
        party.acknowledged = count;
    }

    /// It has received a close frame, and before it the acknowledgement of all that has arrived.
    pub(crate) fn received_close(&mut self, name: Name) {
        self.mark("receives a close frame", name, 0);
        let received = self.heard_by_peer(name);
        let party = self.party(name);
        if party.open == Some(true) {
            self.count.close_frames += 1;
            assert_eq!(self.party(name).acknowledged, received, "{name} is not told how much has arrived");
        }
    }

    pub(crate) fn parked(&mut self, name: Name) {
        self.mark("is parked", name, 0);
        self.count.parked += 1;
        let now = self.now;
        let party = self.party(name);
        assert!(party.open == Some(true) && party.ended.is_none(), "parked: {party:?}");
        assert_eq!(party.parked.replace(now), None, "parked twice");
    }

    pub(crate) fn resumed(&mut self, name: Name) {
        self.mark("is resumed", name, 0);
        self.count.resumed += 1;
        let party = self.party(name);
        assert!(party.ended.is_none() && party.parked.take().is_some(), "resumed: {party:?}");
    }

    /// The conversation is over, and its application is told how many frames were never confirmed.
    pub(crate) fn ended(&mut self, name: Name, unconfirmed: Option<u64>) {
        self.mark("ends", name, unconfirmed.unwrap_or_default());
        let pending: Vec<_> = self.pending.iter().filter(|call| self.calls[call].from == name).collect();
        assert!(pending.is_empty(), "{name} ends with calls in flight: {pending:?}");
        let party = self.party(name);
        assert_eq!(party.ended, None, "{name} ends twice");
        // Without a session nothing is ever confirmed.
        party.ended = Some(unconfirmed.unwrap_or(party.sent));
        if party.open == Some(true) {
            assert_eq!(Some(party.sent - party.acknowledged), unconfirmed, "{name} is told a wrong number");
            self.count.ended += 1;
        }
    }

    pub(crate) fn arrived(&mut self, cid: &str, name: Name) {
        self.mark("arrives", name, 0);
        assert!(self.present.entry(cid.to_owned()).or_default().insert(name), "{name} arrives twice");
    }

    pub(crate) fn left(&mut self, cid: &str, name: Name) {
        self.mark("leaves", name, 0);
        let here = self.present.get_mut(cid).expect("it has arrived");
        assert!(here.remove(&name), "{name} leaves twice");
    }

    pub(crate) fn called(&mut self, call: u64, from: Name) {
        self.mark("calls", from, call);
        self.count.calls += 1;
        let until = self.now + self.limits.rpc_timeout;
        self.calls.insert(call, Call { from, until, invoked: false, answered: false, ended: None });
        self.pending.insert(call);
    }

    pub(crate) fn invoked(&mut self, call: u64, by: Name) {
        self.mark("is asked", by, call);
        let from = self.calls[&call].from;
        assert_eq!(self.party(by).peer, Some(from), "the wrong one is asked");
        let call = self.calls.get_mut(&call).expect("it is there");
        assert!(!std::mem::replace(&mut call.invoked, true), "asked twice");
    }

    pub(crate) fn answered(&mut self, call: u64, by: Name) {
        self.mark("answers", by, call);
        let call = self.calls.get_mut(&call).expect("it is there");
        assert!(call.invoked && !std::mem::replace(&mut call.answered, true), "answered twice");
    }

    pub(crate) fn settled(&mut self, call: u64, ending: Ending) {
        self.mark("is settled", ending as u64, call);
        self.pending.remove(&call);
        let now = self.now;
        let entry = self.calls.get_mut(&call).expect("it is there");
        assert_eq!(entry.ended.replace(ending), None, "a call ends twice");
        match ending {
            Ending::Answered => assert!(entry.answered, "the call was not answered"),
            Ending::TimedOut => assert_eq!(entry.until, now, "timed out at another time"),
            Ending::Disconnected => {}
        }
    }

    /// What holds between two steps.
    pub(crate) fn check(&mut self, sights: impl Iterator<Item = Sight>) {
        let now = self.now;
        for Sight { name, kept, taken, untold, heard } in sights {
            let party = &self.parties[&name];
            if let Some(kept) = kept {
                assert!(kept <= self.limits.session_bytes, "{name} keeps {kept} bytes");
                assert_eq!(taken, party.received, "{name} has counted wrong");
            }
            if let Some((count, since)) = untold {
                assert!(count < 32 && now - since < Duration::from_secs(1), "{name} says nothing of {count}");
            }
            if let Some((heard, took)) = heard {
                let silence: Duration = now - heard;
                let Limits { ping_interval, ping_timeout, .. } = self.limits;
                // What is taken counts for the whole interval that it falls into.
                let takes = took.is_some_and(|took| now - took <= 2 * ping_interval + ping_timeout);
                assert!(takes || silence <= ping_interval + ping_timeout, "{name} has a dead peer for {silence:?}");
            }
            assert_eq!(party.ended, None, "{name} goes on after its end");
            let until = party.parked.map_or(now, |since| since + self.limits.resume_window);
            assert!(now <= until, "{name} is parked for too long");
        }
        for call in &self.pending {
            assert!(self.calls[call].until >= now, "a call outlives its timeout");
        }
    }

    /// Whether a session can be gone on with by a client that has seen so much of it.
    pub(crate) fn covers(&self, name: Name, seen: u64) -> bool {
        let party = &self.parties[&name];
        (party.acknowledged..=party.sent).contains(&seen)
    }

    pub(crate) fn confirmed(&self, name: Name) -> u64 {
        self.parties[&name].acknowledged
    }

    pub(crate) fn peer(&self, name: Name) -> Option<Name> {
        self.parties[&name].peer
    }

    /// How many of a party's frames its peer has received.
    fn heard_by_peer(&self, name: Name) -> u64 {
        let peer = self.peer(name).map(|peer| &self.parties[&peer]);
        peer.filter(|peer| peer.peer == Some(name)).map_or(0, |peer| peer.received)
    }

    /// Checks the end: a party that is there has received everything, and a party that has ended was told
    /// of at least what is missing.
    pub(crate) fn finish(&self, live: &BTreeSet<Name>) {
        self.returns.finish();
        assert!(self.pending.is_empty(), "calls never end: {:?}", self.pending);
        let here: BTreeSet<_> = self.present.values().flatten().copied().collect();
        for (name, party) in self.parties.iter().filter(|(_, party)| party.open.is_some()) {
            let peer = party.peer.map(|peer| &self.parties[&peer]).filter(|peer| peer.peer == Some(*name));
            let missing = party.sent - self.heard_by_peer(*name);
            match party.ended {
                None => {
                    assert!(live.contains(name) && party.parked.is_none(), "{name} neither lives nor has ended");
                    assert!(peer.is_some_and(|peer| peer.ended.is_none()), "{name} is alone");
                    assert_eq!(missing, 0, "{name} is not heard");
                    self.finish_ages(*name);
                    let confirmed = party.open == Some(false) || party.acknowledged == party.sent;
                    assert!(confirmed, "{name} is never told that all has arrived");
                }
                Some(told) => {
                    assert!(missing <= told, "{missing} of {name} are missing, and it was told of {told}");
                    assert!(
                        peer.is_none_or(|peer| peer.ended.is_some() || peer.open.is_none()),
                        "the peer of {name} goes on alone"
                    );
                }
            }
            let stands = party.side == Side::Server && party.ended.is_none();
            assert_eq!(here.contains(name), stands, "{name} has not left, or not arrived");
        }
    }
}
