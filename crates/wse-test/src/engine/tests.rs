//! Tests of the engine of a bus as a value: what arrives where, and who is told of what.

use super::*;
use std::time::Duration;

const CLUSTER: &str = "main";

struct Nodes {
    engine: Engine,
    numbers: Vec<Number>,
    now: Instant,
}

/// So many nodes, whose names are those of the numbers from 0 on, and who are told that their links are up.
fn nodes(count: u64) -> Nodes {
    let mut nodes = Nodes { engine: Engine::new(1), numbers: Vec::new(), now: Instant::now() };
    (0..count).for_each(|node| nodes.enter(node));
    assert!((0..count).all(|node| nodes.got(node) == ["up"]));
    nodes
}

fn name(node: u64) -> Arc<str> {
    node.to_string().into()
}

impl Nodes {
    fn enter(&mut self, node: u64) {
        self.numbers.push(self.engine.enter(&name(node), CLUSTER, NodeId::new(node)).0);
    }

    fn send(&mut self, from: u64, to: u64, text: &'static str) {
        let datagram = Bytes::from(text);
        self.engine.publish(self.numbers[from as usize], To::Node(NodeId::new(to)), &datagram, self.now);
    }

    fn got(&mut self, node: u64) -> Vec<String> {
        let happened = self.engine.take(self.numbers[node as usize], self.now);
        let text = |happening| match happening {
            Happening::Datagram(datagram) => String::from_utf8(datagram.to_vec()).unwrap(),
            Happening::Link(up) => if up { "up" } else { "down" }.to_owned(),
            Happening::Nobody(node) => format!("nobody at {}", node.number()),
        };
        happened.into_iter().map(text).collect()
    }

    fn set(&mut self, node: u64, set: impl Fn(&mut NodeSettings)) {
        self.engine.change(Some(&name(node)), set);
    }
}

#[test]
fn what_is_for_all_comes_back_to_its_sender_and_another_cluster_gets_nothing() {
    let mut nodes = nodes(2);
    let (other, _) = nodes.engine.enter(&name(9), "other", NodeId::new(9));
    nodes.engine.publish(nodes.numbers[0], To::All, &Bytes::from("beat"), nodes.now);
    assert_eq!((nodes.got(0), nodes.got(1)), (vec!["beat".to_owned()], vec!["beat".to_owned()]));
    assert_eq!(nodes.engine.take(other, nodes.now), [Happening::Link(true)]);
    nodes.send(0, 9, "hi");
    assert_eq!(nodes.got(0), ["nobody at 9"]);
}

#[test]
fn a_datagram_takes_its_time_and_a_late_one_is_overtaken() {
    let mut nodes = nodes(2);
    nodes.set(1, |settings| {
        (settings.latency, settings.late) = (Duration::from_millis(5), (1.0, Duration::from_secs(1)))
    });
    nodes.send(0, 1, "late");
    nodes.set(1, |settings| settings.late = (0.0, Duration::ZERO));
    nodes.send(0, 1, "soon");
    assert_eq!(nodes.engine.due(nodes.numbers[1], nodes.now), Some(nodes.now + Duration::from_millis(5)));
    assert!(nodes.got(1).is_empty());
    nodes.now += Duration::from_millis(5);
    assert_eq!(nodes.got(1), ["soon"]);
    nodes.now += Duration::from_secs(1);
    assert_eq!(nodes.got(1), ["late"]);
}

#[test]
fn of_many_some_are_lost_and_some_come_twice() {
    let mut nodes = nodes(2);
    nodes.engine.change(None, |settings| (settings.lose, settings.repeat) = (0.1, 0.2));
    (0..1000).for_each(|_| nodes.send(0, 1, "one"));
    let counts = nodes.engine.counts();
    assert_eq!(counts.carried + counts.lost, 1000);
    assert!((50..150).contains(&counts.lost) && (120..260).contains(&counts.repeated), "{counts:?}");
    assert_eq!(nodes.got(1).len() as u64, counts.carried + counts.repeated);
}

#[test]
fn a_node_that_is_cut_off_half_open_learns_it_when_it_connects_again() {
    let mut nodes = nodes(2);
    nodes.send(0, 1, "on its way");
    nodes.set(1, |settings| settings.cut = Some(NodeCut::HalfOpen));
    nodes.send(0, 1, "lost");
    nodes.send(1, 0, "lost");
    assert!(nodes.got(0).is_empty() && nodes.got(1).is_empty(), "nobody is told");
    nodes.engine.reconnect(nodes.numbers[1]);
    assert_eq!(nodes.got(1), ["down"]);
    nodes.set(1, |settings| settings.cut = None);
    nodes.send(0, 1, "there");
    assert_eq!(nodes.got(1), ["up", "there"]);
    nodes.engine.reconnect(nodes.numbers[1]);
    assert_eq!(nodes.got(1), ["down", "up"], "nothing is in its way");
}

#[test]
fn who_is_cut_off_and_told_is_nobody_to_the_others() {
    let mut nodes = nodes(2);
    nodes.set(1, |settings| settings.cut = Some(NodeCut::Told));
    nodes.send(0, 1, "lost");
    assert_eq!((nodes.got(0), nodes.got(1)), (vec!["nobody at 1".to_owned()], vec!["down".to_owned()]));
}

#[test]
fn a_node_that_stands_still_gets_everything_afterwards() {
    let mut nodes = nodes(2);
    nodes.set(1, |settings| settings.paused = true);
    nodes.send(0, 1, "first");
    nodes.send(0, 1, "second");
    assert!(nodes.got(1).is_empty() && nodes.engine.due(nodes.numbers[1], nodes.now).is_none());
    nodes.set(1, |settings| settings.paused = false);
    assert_eq!(nodes.got(1), ["first", "second"]);
}

#[test]
fn who_was_killed_stays_so_and_its_successor_is_another() {
    let mut nodes = nodes(2);
    nodes.engine.kill(Some(&name(1)));
    nodes.engine.change(None, |settings| *settings = NodeSettings::default());
    nodes.send(0, 1, "lost");
    nodes.send(1, 0, "lost");
    assert_eq!((nodes.got(0), nodes.got(1).len()), (vec!["nobody at 1".to_owned()], 0));
    nodes.enter(1);
    nodes.send(0, 1, "there");
    assert_eq!((nodes.got(1).len(), nodes.got(2)), (0, vec!["up".to_owned(), "there".to_owned()]));
}

#[test]
fn a_stopped_engine_tells_everybody_and_halves_of_one_tell_nobody() {
    let mut nodes = nodes(3);
    nodes.engine.split_off(vec![name(2)]);
    nodes.send(0, 1, "here");
    nodes.send(0, 2, "lost");
    assert_eq!((nodes.got(0), nodes.got(1)), (vec!["nobody at 2".to_owned()], vec!["here".to_owned()]));
    nodes.engine.split_off(Vec::new());
    nodes.engine.set_down(true);
    nodes.send(0, 2, "lost");
    nodes.engine.set_down(false);
    nodes.send(0, 2, "there");
    assert_eq!(
        (nodes.got(1), nodes.got(2)),
        (vec!["down".to_owned(), "up".to_owned()], vec!["down".to_owned(), "up".to_owned(), "there".to_owned()])
    );
}
