//! Two nodes with a link between them, whose datagrams the test carries.

use super::super::{Began, Heard, Link, Refusal};
use crate::datagram::{self, Datagram, Head};
use crate::{Config, Frame, NodeId};
use bytes::Bytes;

/// One end: a link and what its node does with it.
pub(super) struct Side {
    id: u64,
    other: u64,
    pub(super) config: Config,
    pub(super) link: Link<u32>,
    generations: u32,
    /// Parts of the snapshot that are still to be made.
    pub(super) parts: u32,
    /// How many of them a generation has.
    pub(super) snapshot: u32,
    /// How large each is, about.
    pub(super) part_bytes: usize,
    /// What came, as the numbers of [`Side::say`].
    pub(super) got: Vec<u32>,
    pub(super) began: Vec<Began>,
    /// The state of the other node is here as a whole.
    pub(super) complete: bool,
    /// What was given up.
    pub(super) told: Vec<u32>,
    pub(super) malformed: usize,
}

impl Side {
    pub(super) fn new(id: u64, other: u64, config: Config) -> Self {
        let mut generations = 0;
        let link = Self::link(&mut generations, 0, 0, &config);
        Side {
            id,
            other,
            link,
            generations,
            parts: 1,
            snapshot: 1,
            part_bytes: 0,
            got: Vec::new(),
            began: Vec::new(),
            complete: false,
            told: Vec::new(),
            malformed: 0,
            config,
        }
    }

    fn link(generations: &mut u32, now: u64, floor: u32, config: &Config) -> Link<u32> {
        *generations += 1;
        Link::new(now, *generations, floor, config)
    }

    /// The node forgets the other one but for its last generation, and hears of it again.
    pub(super) fn bury(&mut self, now: u64) {
        self.forget(now, self.link.incoming_generation());
    }

    pub(super) fn forget(&mut self, now: u64, floor: u32) {
        self.told.extend(self.link.give_up());
        self.link = Self::link(&mut self.generations, now, floor, &self.config);
        self.parts = self.snapshot;
        self.complete = false;
    }

    pub(super) fn begin(&mut self, now: u64) {
        self.generations += 1;
        self.told.extend(self.link.begin(now, self.generations));
        self.parts = self.snapshot;
    }

    /// Sends a number, or so many bytes after it.
    pub(super) fn say(&mut self, now: u64, number: u32, bytes: usize) -> Result<(), Refusal> {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(4 + bytes, 0x5a);
        let mut frame = Vec::new();
        Frame::App(body.into()).write(&mut frame);
        self.link.push(now, &frame, Some(number))
    }

    pub(super) fn transmit(&mut self, now: u64) -> Option<Bytes> {
        if self.link.wants_snapshot() {
            self.parts -= 1;
            let last = self.parts == 0;
            let rooms = vec![("x".repeat(240).into(), 1); self.part_bytes / 250];
            let mut part = Vec::new();
            Frame::Snap { entries: Vec::new(), rooms, told: Vec::new(), last }.write(&mut part);
            self.link.push_snapshot(now, &part, last);
        }
        self.carry(now)
    }

    /// The next datagram of what is queued.
    pub(super) fn carry(&mut self, now: u64) -> Option<Bytes> {
        let head = Head { from: NodeId::new(self.id), sent_at: 7 };
        self.link.transmit(now, head, NodeId::new(self.other))
    }

    /// All datagrams that are to be sent now.
    pub(super) fn all(&mut self, now: u64) -> Vec<Bytes> {
        std::iter::from_fn(|| self.transmit(now)).collect()
    }

    pub(super) fn tick(&mut self, now: u64) {
        let told = self.link.tick(now);
        self.told.extend(told.into_iter().flatten());
    }

    pub(super) fn hear(&mut self, now: u64, datagram: &Bytes) {
        let (head, datagram) = datagram::read(datagram).unwrap();
        assert_eq!(head, Head { from: NodeId::new(self.other), sent_at: 7 });
        let anew = match &datagram {
            Datagram::Ack(ack) => self.link.acknowledged(now, ack),
            Datagram::Data(data) => {
                assert_eq!(data.ack.to, NodeId::new(self.id));
                let Heard { anew, began, mut frames } = self.link.receive(now, data);
                self.began.extend(began);
                while let Some(frame) = self.link.next(&mut frames) {
                    self.apply(frame.ok());
                }
                anew
            }
            other => panic!("{other:?}"),
        };
        if anew {
            self.begin(now);
        }
    }

    fn apply(&mut self, frame: Option<Frame>) {
        match frame {
            Some(Frame::App(body)) => self.got.push(u32::from_be_bytes(*body.first_chunk().unwrap())),
            Some(Frame::Snap { last, .. }) => self.complete |= last,
            Some(_) => {}
            None => self.malformed += 1,
        }
    }
}

/// Both ends.
pub(super) struct Ends {
    pub(super) a: Side,
    pub(super) b: Side,
    pub(super) now: u64,
}

impl Ends {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        Ends { a: Side::new(1, 2, config.clone()), b: Side::new(2, 1, config), now: 1000 }
    }

    /// Two ends that know one another, with nothing under way.
    pub(super) fn met() -> Self {
        let mut ends = Self::new();
        ends.run(200);
        assert!(ends.a.complete && ends.b.complete);
        ends
    }

    /// Carries everything for so many milliseconds.
    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// A millisecond in which everything is carried, in order.
    pub(super) fn step(&mut self) {
        self.now += 1;
        self.a.tick(self.now);
        self.b.tick(self.now);
        for datagram in self.a.all(self.now) {
            self.b.hear(self.now, &datagram);
        }
        for datagram in self.b.all(self.now) {
            self.a.hear(self.now, &datagram);
        }
    }
}
