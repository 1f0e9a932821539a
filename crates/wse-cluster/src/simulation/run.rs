//! One run: a storm, a rest, and what must be true then.

use super::{
    book::Count,
    mode::Mode,
    traffic::{ROOMS, USERS},
    world::{Event, World},
};
use crate::{DeviceId, rules::Rule};
use std::collections::BTreeSet;
use wse_proto::Cid;

/// How long things go wrong, and how long they are right after it.
const STORM: u64 = 180_000;
const REST: u64 = 110_000;

/// Runs a seed. Returns how often what happened, and what is wrong.
pub(super) fn run(seed: u64, mode: Mode, off: Option<Rule>, told: bool) -> (Count, Vec<String>) {
    let mut world = World::new(seed, mode, off, told);
    for number in 0..5 {
        let skew = world.new_skew();
        // Some have no name.
        let name = if number < 3 { format!("host {number}") } else { String::new() };
        world.start(name, skew);
    }
    let mut at = 8_000;
    while at < STORM {
        world.at(at, Event::Traffic);
        at += 50 + world.chance.below(600);
    }
    let mut at = 10_000;
    while at < STORM - 5_000 {
        world.at(at, Event::Fault);
        at += 1_000 + world.chance.below(15_000);
    }
    let mut known = 0;
    while let Some(event) = world.next(STORM) {
        world.happen(event);
        for wrong in &world.book.wrong[known..] {
            world.say(|| format!("WRONG: {wrong}"));
        }
        known = world.book.wrong.len();
    }
    world.heal_all();
    world.say(|| "everything works".to_owned());
    while let Some(event) = world.next(STORM + REST) {
        world.happen(event);
    }
    check(&mut world);
    (world.book.count.clone(), std::mem::take(&mut world.book.wrong))
}

/// What must be true when everything has come to rest.
fn check(world: &mut World) {
    let mut wrong = Vec::new();
    for cid in USERS.map(Cid::from) {
        let devices = world.hosts.values().flat_map(|host| &host.devices);
        let all: Vec<DeviceId> = devices.filter(|(_, local)| local.cid == cid).map(|(id, _)| *id).collect();
        let truth: BTreeSet<DeviceId> = all.iter().copied().collect();
        if all.len() != truth.len() {
            wrong.push(format!("a device of {cid} is at two servers: {all:?}"));
        }
        if truth.len() > world.mode.limit {
            wrong.push(format!("{cid} has {} devices", truth.len()));
        }
        for (id, host) in &world.hosts {
            let seen: BTreeSet<DeviceId> = host.node.devices_of(&cid).into_iter().map(|(_, entry)| entry.id).collect();
            if seen != truth {
                wrong.push(format!("{id} sees {seen:?} of {cid}, and there are {truth:?}"));
            }
            for (node, entry) in host.node.devices_of(&cid) {
                let local = world.hosts.get(&node).and_then(|host| host.devices.get(&entry.id));
                if local.is_none_or(|local| local.parked != entry.parked || entry.trial) {
                    wrong.push(format!("{id} sees {entry:?} at {node}, which is not so"));
                }
            }
        }
        world.book.count.untrue += u64::from(world.book.is_here(&cid) == truth.is_empty());
    }
    for (id, host) in &world.hosts {
        let on_the_way = host.devices.iter().filter(|(_, local)| local.giving.is_some());
        wrong.extend(on_the_way.map(|(device, _)| format!("{device} is still on its way from {id}")));
        for room in ROOMS {
            let others = world.hosts.iter().filter(|(other, _)| *other != id);
            let members: u32 = others.map(|(_, host)| host.rooms.get(room).copied().unwrap_or(0)).sum();
            if host.node.members_elsewhere(room) != members as usize {
                wrong.push(format!("{id} sees {} members of {room}, not {members}", host.node.members_elsewhere(room)));
            }
        }
        if host.node.mismatches() + host.node.malformed() > 0 {
            wrong.push(format!("{id} had {} mismatches, {} malformed", host.node.mismatches(), host.node.malformed()));
        }
        if host.node.ended_on_their_way() > 0 {
            wrong.push(format!("{id} still looks for {} sessions that have ended", host.node.ended_on_their_way()));
        }
        if host.node.nodes().len() != world.hosts.len() || host.node.waiting_bytes() > 0 {
            wrong.push(format!("{id} is not at rest: {:?}", host.node.nodes()));
        }
    }
    world.book.wrong.extend(wrong);
    world.book.at_rest();
}
