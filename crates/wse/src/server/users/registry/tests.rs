//! Tests of the registry alone, with devices that are nothing but an id: what its observers are told, and
//! what it finds.

use super::*;
use crate::server::users::change::Change;
use std::sync::{Arc, Mutex};
use wse_cluster::{DeviceId, NodeId};
use wse_proto::{Format, Hello, Payload};

#[derive(Clone)]
struct Fake {
    id: DeviceId,
    cid: Cid,
    hello: KeptHello,
    /// An end that was chosen before.
    closed: Option<Closed>,
}

impl Keyed for Fake {
    type Key = DeviceId;

    fn key(&self) -> &DeviceId {
        &self.id
    }
}

impl Member for Fake {
    fn id(&self) -> DeviceId {
        self.id
    }

    fn cid(&self) -> &Cid {
        &self.cid
    }

    fn hello(&self) -> KeptHello {
        self.hello.clone()
    }

    fn end(&self, closed: Closed) -> Closed {
        self.closed.clone().unwrap_or(closed)
    }
}

/// Says what it is told, in its own name.
struct Teller {
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
    answers: bool,
}

impl Observer<Fake> for Teller {
    fn changed(&self, change: &Change<'_, Fake>) -> Option<Handled> {
        let device = |device: &Fake| format!("{} {}", device.cid, device.id.number());
        let line = match change {
            Change::Joined(first) => format!("joined by {}", device(first)),
            Change::Connected { device: new, .. } => format!("connected {}", device(new)),
            Change::Confirmed(it) => format!("confirmed {}", device(it)),
            Change::Parked(it) => format!("parked {}", device(it)),
            Change::Resumed(it) => format!("resumed {}", device(it)),
            Change::MovedIn(it) => format!("moved in {}", device(it)),
            Change::MovedOut(it, to) => format!("moved out {} to {}", device(it), to.number()),
            Change::Disconnected(it, closed) => format!("disconnected {} {}", device(it), closed.reason.as_str()),
            Change::Left { last, closed, first } => {
                let first: u64 = first.unwrap().identity().decode().unwrap();
                format!("left by {} {} first {first}", device(last), closed.reason.as_str())
            }
        };
        self.log.lock().unwrap().push(format!("{} {line}", self.name));
        self.answers.then(|| tokio::sync::oneshot::channel().1)
    }
}

fn fake(cid: &str, number: u64) -> Fake {
    let identity = Payload::encode(Format::Json, &number).unwrap();
    let hello = KeptHello::from(&Hello { identity, meta: Hello::no_meta(Format::Json) });
    let id = DeviceId::new(NodeId::new(0), number);
    Fake { id, cid: cid.into(), hello, closed: None }
}

fn bye(reason: &'static str) -> Closed {
    Closed::normal(Reason::from(reason))
}

/// The locks are shuttle's here, so each test runs within it.
fn within_shuttle(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(test, 1);
}

#[test]
fn every_observer_is_told_of_every_change_in_order() {
    within_shuttle(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let teller = |name| Box::new(Teller { name, log: log.clone(), answers: false }) as Box<dyn Observer<Fake>>;
        let registry = Registry::new(vec![teller("a"), teller("b")]);
        let [one, two, mut three] = [1, 2, 3].map(|number| fake("ann", number));
        three.closed = Some(bye("slow"));
        assert!(registry.join(&one, 1, false).ready.is_none(), "no observer has anything to wait for");
        registry.parked(&one);
        registry.resumed(&one);
        registry.join(&three, 1, false);
        registry.join(&two, 1, false);
        for late in [&one, &three] {
            registry.parked(late); // it was pushed out before
            registry.leave(late, &bye("late"));
        }
        registry.leave(&two, &bye("done"));
        let told = log.lock().unwrap().drain(..).collect::<Vec<_>>();
        let of = |name: &str| told.iter().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
        let all = [
            " joined by ann 1",
            " connected ann 1",
            " parked ann 1",
            " resumed ann 1",
            " connected ann 3",
            " disconnected ann 1 wse.clients-concurrency",
            " connected ann 2",
            " disconnected ann 3 slow",
            " disconnected ann 2 done",
            " left by ann 2 done first 1",
        ];
        assert_eq!(of("a"), all);
        assert_eq!(of("b"), all);
        registry.join(&one, 1, false);
        assert!(log.lock().unwrap()[0].contains("joined by ann 1"), "who left may join again");
    });
}

#[test]
fn what_an_observer_works_on_holds_a_devices_handlers_up_and_all_are_told_all_the_same() {
    within_shuttle(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let teller = |name, answers| Box::new(Teller { name, log: log.clone(), answers }) as Box<dyn Observer<Fake>>;
        let registry = Registry::new(vec![teller("a", false), teller("b", true), teller("c", false)]);
        assert!(registry.join(&fake("ann", 1), 1, false).ready.is_some());
        let told = log.lock().unwrap();
        assert_eq!(told.iter().filter(|line| line.contains(" connected ")).count(), 3, "{told:?}");
    });
}

#[test]
fn a_device_that_may_be_stale_stays_only_once_it_has_shown_that_it_is_there() {
    within_shuttle(|| {
        let registry = Registry::new(Vec::new());
        let [one, stale, staler, new] = [1, 2, 3, 4].map(|number| fake("ann", number));
        let there = |registry: &Registry<Fake>| {
            let ann = Cid::from("ann");
            let numbers: Vec<u64> = registry.of_user(&ann).iter().map(|device| device.id.number()).collect();
            assert_eq!((registry.count_of_user(&ann), registry.counts()), (numbers.len(), (1, numbers.len())));
            numbers
        };
        assert!(!registry.join(&one, 1, true).unconfirmed, "there is room for it");
        assert!(registry.join(&stale, 1, true).unconfirmed);
        assert_eq!(there(&registry), [1, 2]);
        assert!(registry.join(&staler, 1, true).unconfirmed);
        assert_eq!(there(&registry), [1, 3], "it pushes out its like");
        registry.confirmed(&stale, 1);
        assert_eq!(there(&registry), [1, 3], "one that was pushed out shows nothing any more");
        registry.confirmed(&staler, 1);
        assert_eq!(there(&registry), [3]);
        registry.join(&new, 1, false);
        assert_eq!(there(&registry), [4]);
    });
}

#[test]
fn a_device_is_found_by_its_id_as_long_as_it_is_there() {
    within_shuttle(|| {
        let registry = Registry::new(Vec::new());
        let devices: Vec<Fake> = (0..200).map(|number| fake(&format!("user {}", number / 2), number)).collect();
        devices.iter().for_each(|device| _ = registry.join(device, 2, false));
        assert_eq!(registry.counts(), (100, 200));
        let found = |registry: &Registry<Fake>| {
            devices.iter().filter(|device| registry.device(device.id).is_some_and(|it| it.cid == device.cid)).count()
        };
        assert_eq!((found(&registry), registry.everyone().len(), registry.cids().len()), (200, 200, 100));
        let elsewhere = DeviceId::new(NodeId::new(1), 7);
        assert!(registry.device(elsewhere).is_none(), "the number alone says nothing");
        devices.iter().step_by(2).for_each(|device| registry.leave(device, &bye("")));
        assert_eq!((found(&registry), registry.everyone().len(), registry.counts()), (100, 100, (100, 100)));
        devices.iter().for_each(|device| registry.leave(device, &bye("")));
        assert_eq!((found(&registry), registry.cids().len(), registry.counts()), (0, 0, (0, 0)));
    });
}

#[test]
fn a_user_who_leaves_handlers_behind_is_held_off_until_they_have_ended() {
    within_shuttle(|| {
        let (registry, ann) = (Registry::<Fake>::new(Vec::new()), Cid::from("ann"));
        (0..OUTLIVING_HANDLERS).for_each(|_| {
            assert!(!registry.is_behind(&ann));
            registry.handlers_outlive(&ann);
        });
        assert!(registry.is_behind(&ann) && !registry.is_behind(&"bob".into()));
        assert!(registry.cids().is_empty() && !registry.users.is_empty(), "she is not there, and not forgotten");
        (0..OUTLIVING_HANDLERS).for_each(|_| registry.handlers_ended(&ann));
        assert!(registry.users.is_empty());
    });
}
