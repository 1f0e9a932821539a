//! Sockets between a server and its clients: bytes arrive late, in pieces, in part or not at all, and
//! both sides, one or neither see the end of a socket. The bytes of a direction stay in order.

use crate::chance::Chance;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        if self == Side::Client { Side::Server } else { Side::Client }
    }
}

/// One end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) socket: u64,
    pub(crate) side: Side,
}

/// Who notices that a socket was cut, before the heartbeat does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    Both,
    By(Side),
    Neither,
}

/// A socket is cut when so many bytes were written by that side, within a frame or between two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) side: Side,
    pub(crate) bytes: usize,
    pub(crate) seen: Seen,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// The other end has gone.
    Gone,
}

/// What arrives at an end: bytes, or `None` when the other end has gone.
pub(crate) type Arrival = (End, Option<Vec<u8>>);

/// One direction.
#[derive(Default)]
struct Pipe {
    flight: VecDeque<(Instant, Piece)>,
    /// Bytes that were ever written.
    written: usize,
    /// Nothing arrives before.
    stalled: Option<Instant>,
    /// A slow link is busy until then.
    busy: Option<Instant>,
}

struct Socket {
    /// By the side that writes.
    pipes: [Pipe; 2],
    /// By the side: it has not left.
    here: [bool; 2],
    /// Nothing that is written any more arrives.
    cut: bool,
    fate: Option<Fate>,
}

pub(crate) struct Network {
    sockets: BTreeMap<u64, Socket>,
    dialled: u64,
    /// The longest way of a piece, in milliseconds.
    latency: u64,
    /// The bytes that a direction carries in a millisecond; `None`: any number.
    rate: Option<u64>,
}

/// A slow link carries pieces of this size at most.
const PIECE: usize = 1 << 10;

/// What a slow link takes at once.
const ROOM: usize = 4 << 10;

impl Network {
    pub(crate) fn new(latency: u64, rate: Option<u64>) -> Self {
        Self { sockets: BTreeMap::new(), dialled: 0, latency, rate }
    }

    pub(crate) fn dial(&mut self, fate: Option<Fate>) -> End {
        self.dialled += 1;
        let socket = Socket { pipes: Default::default(), here: [true; 2], cut: false, fate };
        self.sockets.insert(self.dialled, socket);
        End { socket: self.dialled, side: Side::Client }
    }

    pub(crate) fn send(&mut self, end: End, bytes: &[u8], now: Instant, chance: &mut Chance) {
        let Some(socket) = self.sockets.get_mut(&end.socket) else { return };
        if socket.cut || !socket.here[end.side as usize] {
            return;
        }
        let pipe = &mut socket.pipes[end.side as usize];
        let fate = socket.fate.filter(|fate| fate.side == end.side && pipe.written + bytes.len() > fate.bytes);
        let arrives = fate.map_or(bytes.len(), |fate| fate.bytes.saturating_sub(pipe.written));
        pipe.written += bytes.len();
        let mut rest = &bytes[..arrives];
        while !rest.is_empty() {
            let most = rest.len();
            let split = if chance.one_in(3) { 1 + chance.below(most) } else { most };
            let (piece, behind) = rest.split_at(if self.rate.is_some() { split.min(PIECE) } else { split });
            let through = pipe.through(piece.len(), self.rate, now);
            pipe.push(Piece::Bytes(piece.to_vec()), through + chance.millis(0..self.latency));
            rest = behind;
        }
        if let Some(fate) = fate {
            socket.end(fate.seen, now + chance.millis(0..self.latency));
        }
    }

    /// This end leaves: it hears nothing more; what it wrote still arrives, and then its end.
    pub(crate) fn leave(&mut self, end: End, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&end.socket) else { return };
        socket.here[end.side as usize] = false;
        socket.pipes[end.side.other() as usize].flight.clear();
        if !socket.cut {
            socket.pipes[end.side as usize].push(Piece::Gone, now);
        }
        self.sweep(end.socket);
    }

    /// This end vanishes: what it wrote still arrives, and its end does not.
    pub(crate) fn vanish(&mut self, end: End, now: Instant) {
        if let Some(socket) = self.sockets.get_mut(&end.socket) {
            socket.cut = true;
        }
        self.leave(end, now);
    }

    /// Cuts a socket with all that is under way, or behind it.
    pub(crate) fn cut(&mut self, socket: u64, seen: Seen, now: Instant, chance: &mut Chance) {
        let Some(socket) = self.sockets.get_mut(&socket).filter(|socket| !socket.cut) else { return };
        if chance.one_in(2) {
            for pipe in &mut socket.pipes {
                let arrives = chance.below(pipe.flight.len() + 1);
                pipe.flight.truncate(arrives);
            }
        }
        socket.end(seen, now);
    }

    /// What that side has written arrives later, in order as ever.
    pub(crate) fn stall(&mut self, end: End, wait: Duration, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&end.socket) else { return };
        let pipe = &mut socket.pipes[end.side as usize];
        pipe.stalled = Some(now + wait);
        for (at, _) in &mut pipe.flight {
            *at = (*at).max(now + wait);
        }
    }

    /// No socket has a fate any more.
    pub(crate) fn heal(&mut self) {
        self.sockets.values_mut().for_each(|socket| socket.fate = None);
    }

    /// Whether a slow link has less room than what waits for it, so that whatever it carries is taken by the
    /// other side.
    pub(crate) fn is_full(&self, end: End) -> bool {
        let pipe = self.sockets.get(&end.socket).map(|socket| &socket.pipes[end.side as usize]);
        let waiting = pipe.into_iter().flat_map(|pipe| &pipe.flight).map(|(_, piece)| piece.len());
        self.rate.is_some() && waiting.sum::<usize>() > ROOM
    }

    pub(crate) fn sockets(&self) -> Vec<u64> {
        self.sockets.keys().copied().collect()
    }

    /// Who has not left.
    pub(crate) fn ends(&self) -> impl Iterator<Item = End> {
        let sides = |(socket, state): (&u64, &Socket)| {
            let (socket, here) = (*socket, state.here);
            [Side::Client, Side::Server]
                .into_iter()
                .filter(move |side| here[*side as usize])
                .map(move |side| End { socket, side })
        };
        self.sockets.iter().flat_map(sides)
    }

    /// When something arrives.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.sockets.values().flat_map(|socket| &socket.pipes).filter_map(Pipe::due).min()
    }

    /// What has arrived by now, one piece at a time.
    pub(crate) fn arrival(&mut self, now: Instant) -> Option<Arrival> {
        let (socket, from) = self.sockets.iter().find_map(|(number, socket)| {
            let side = [Side::Client, Side::Server].into_iter().find(|side| {
                let due = socket.pipes[*side as usize].due();
                due.is_some_and(|at| at <= now)
            })?;
            Some((*number, side))
        })?;
        let (_, piece) = self.sockets.get_mut(&socket)?.pipes[from as usize].flight.pop_front()?;
        self.sweep(socket);
        let end = End { socket, side: from.other() };
        Some(match piece {
            Piece::Bytes(bytes) => (end, Some(bytes)),
            Piece::Gone => (end, None),
        })
    }

    /// Forgets a socket that both have left.
    fn sweep(&mut self, number: u64) {
        let gone = |socket: &Socket| {
            let empty = socket.pipes.iter().all(|pipe| pipe.flight.is_empty());
            (socket.here == [false; 2] || (socket.cut && !socket.here[Side::Client as usize])) && empty
        };
        if self.sockets.get(&number).is_some_and(gone) {
            self.sockets.remove(&number);
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        if let Piece::Bytes(bytes) = self { bytes.len() } else { 0 }
    }
}

impl Socket {
    fn end(&mut self, seen: Seen, at: Instant) {
        self.cut = true;
        for side in [Side::Client, Side::Server] {
            let sees = match seen {
                Seen::Both => true,
                Seen::By(one) => one == side,
                Seen::Neither => false,
            };
            if sees && self.here[side as usize] {
                self.pipes[side.other() as usize].push(Piece::Gone, at);
            }
        }
    }
}

impl Pipe {
    fn due(&self) -> Option<Instant> {
        self.flight.front().map(|(at, _)| *at)
    }

    /// When so many bytes are through a link of that rate, behind those before them.
    fn through(&mut self, bytes: usize, rate: Option<u64>, now: Instant) -> Instant {
        let Some(rate) = rate else { return now };
        let free = self.busy.map_or(now, |busy| busy.max(now));
        let through = free + Duration::from_micros(bytes as u64 * 1000 / rate);
        self.busy = Some(through);
        through
    }

    /// Never before what was written earlier.
    fn push(&mut self, piece: Piece, at: Instant) {
        let last = self.flight.back().map(|(at, _)| *at);
        let at = [last, self.stalled].into_iter().flatten().fold(at, Instant::max);
        self.flight.push_back((at, piece));
    }
}
