//! What is counted: fixed conversations of a few devices with the testbed, and the table of them.
//! Each round ends with the last answer, so that every round is the same work.

use super::callgrind::Testbed;
use super::device::{Device, frame};

/// Every scenario is counted so often, and the lowest count is its figure: what a busy machine changes is
/// how often the testbed goes to sleep between messages, and that only adds.
const COUNTS: usize = 5;
/// Rounds that are not counted before: buffers grow to their size in them.
const WARM_UP: usize = 3;

/// One thing that is counted.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    devices: usize,
    session: bool,
    talk: Talk,
    /// Messages that each sender sends at once.
    depth: usize,
    rounds: usize,
}

/// What is said in a round.
#[derive(Clone, Copy)]
enum Talk {
    /// Every device sends, and gets the answers.
    Each(fn() -> String),
    /// One device sends, and every device gets the answers.
    One(fn() -> String),
    /// Nothing: the devices connect.
    Open,
}

const fn each(name: &'static str, message: fn() -> String, depth: usize, rounds: usize) -> Scenario {
    Scenario { name, devices: 10, session: false, talk: Talk::Each(message), depth, rounds }
}

const fn broadcast(name: &'static str, depth: usize, rounds: usize) -> Scenario {
    Scenario { name, devices: 100, session: false, talk: Talk::One(news), depth, rounds }
}

/// Those with sessions come last, since a session stays for a while in the testbed.
pub(crate) const SCENARIOS: [Scenario; 13] = [
    each("echo 64 B, 16 in flight", echo_64, 16, 10),
    each("echo 64 B, 1 in flight", echo_64, 1, 80),
    each("call, 16 in flight", add, 16, 10),
    each("echo 1 KiB", echo_1024, 1, 40),
    each("echo 16 KiB, one string", string_16, 1, 5),
    each("echo 16 KiB, small objects", objects_16, 1, 3),
    each("echo 16 KiB, not ASCII", foreign_16, 1, 5),
    each("echo 128 KiB, one string", string_128, 1, 2),
    broadcast("delivery of a broadcast of 64 B, 1 in flight", 1, 10),
    broadcast("delivery of a broadcast of 64 B, 8 in flight", 8, 4),
    Scenario { name: "upgrade and verdict", devices: 100, session: false, talk: Talk::Open, depth: 1, rounds: 1 },
    Scenario { session: true, ..each("echo 64 B, 16 in flight, with a session", echo_64, 16, 10) },
    Scenario { session: true, ..each("call, 16 in flight, with a session", add, 16, 10) },
];

impl Scenario {
    /// Instructions for each message, delivery or connection.
    pub(crate) fn run(&self, testbed: &mut Testbed) -> Result<u64, String> {
        let (message, senders) = match self.talk {
            Talk::Open => return self.lowest(testbed, |testbed| self.open(testbed)),
            Talk::Each(message) => (message(), self.devices),
            Talk::One(message) => (message(), 1),
        };
        let frames = frame(&message).repeat(self.depth);
        let mut devices = self.open(testbed)?;
        let mut round = || {
            devices[..senders].iter_mut().try_for_each(|device| device.send(&frames))?;
            devices.iter_mut().try_for_each(|device| (0..self.depth).try_for_each(|_| device.message().map(drop)))
        };
        (0..WARM_UP).try_for_each(|_| round())?;
        self.lowest(testbed, |_| (0..self.rounds).try_for_each(|_| round()))
    }

    /// The lowest count of this work. What the work gives is dropped when its count is done.
    fn lowest<T>(
        &self,
        testbed: &mut Testbed,
        mut work: impl FnMut(&mut Testbed) -> Result<T, String>,
    ) -> Result<u64, String> {
        let mut lowest = u64::MAX;
        for _ in 0..COUNTS {
            let before = testbed.instructions()?;
            let made = work(testbed)?;
            lowest = lowest.min(testbed.instructions()? - before);
            drop(made);
        }
        Ok(lowest / (self.devices * self.depth * self.rounds) as u64)
    }

    fn open(&self, testbed: &mut Testbed) -> Result<Vec<Device>, String> {
        (0..self.devices).map(|_| testbed.open(self.session)).collect()
    }
}

fn echo(text: &str) -> String {
    format!(r#"["echo",{{"id":12345,"t":"{text}"}}]"#)
}

/// An echo of so many bytes in all.
fn echo_of(bytes: usize) -> String {
    echo(&"x".repeat(bytes - echo("").len()))
}

fn echo_64() -> String {
    echo_of(64)
}

fn echo_1024() -> String {
    echo_of(1024)
}

fn string_16() -> String {
    echo_of(16 << 10)
}

fn string_128() -> String {
    echo_of(128 << 10)
}

fn foreign_16() -> String {
    let phrase = "grüße 世界 ";
    echo(&phrase.repeat((16 << 10) / phrase.len()))
}

fn objects_16() -> String {
    let object = |id| format!(r#"{{"id":{id},"name":"user {id}","tags":["a","b"],"ok":true,"x":1.5}}"#);
    let mut objects = object(0);
    let mut id = 0;
    while objects.len() < 16 << 10 {
        id += 1;
        objects.push(',');
        objects.push_str(&object(id));
    }
    format!(r#"["echo",[{objects}]]"#)
}

fn add() -> String {
    r#"["add",{"a":5,"b":3},"AbCdEfGhIj"]"#.into()
}

fn news() -> String {
    r#"["bc",64]"#.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_size_that_its_name_says() {
        assert_eq!(echo_64().len(), 64);
        assert_eq!(string_128().len(), 128 << 10);
        for message in [string_16(), objects_16(), foreign_16()] {
            assert!(message.len().abs_diff(16 << 10) < 100, "{}", message.len());
        }
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
