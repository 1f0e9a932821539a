//! Writes frames.

use super::primitive::{put_bytes, put_device, put_u32, put_u64, put_varint};
use super::{Change, Frame, Told, change, entry, kind, scope, told};
use crate::{DeviceId, Entry, Except, Leaving, Recipients, Scope};
use std::sync::Arc;
use wse_proto::Cid;

impl Frame {
    /// Appends the frame. What is longer than [`NAME_BYTES`](super::NAME_BYTES) and its like no node reads:
    /// whoever makes a frame keeps to them.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Snap { entries, rooms, told, last } => {
                out.extend([kind::SNAP, u8::from(*last)]);
                list(out, entries, put_entry);
                list(out, rooms, |out, (name, members)| put_room(out, name, *members));
                list(out, told, |out, (cid, told)| put_told(out, cid, told));
            }
            Frame::Delta(changes) => {
                out.push(kind::DELTA);
                list(out, changes, put_change);
            }
            Frame::Send { to, message } => {
                out.push(kind::SEND);
                put_recipients(out, to);
                out.extend_from_slice(message);
            }
            Frame::Call { calls, remaining_ms, body } => {
                out.push(kind::CALL);
                put_u32(out, *remaining_ms);
                list(out, calls, |out, (id, device)| {
                    put_u64(out, id.0);
                    put_device(out, *device);
                });
                out.extend_from_slice(body);
            }
            Frame::Answer { id, answer } => {
                out.push(kind::ANSWER);
                put_u64(out, id.0);
                out.push(u8::from(answer.is_some()));
                out.extend_from_slice(answer.as_deref().unwrap_or_default());
            }
            Frame::Cancel(ids) => {
                out.push(kind::CANCEL);
                list(out, ids, |out, id| put_u64(out, id.0));
            }
            Frame::Close { to, at, closed } => {
                out.push(kind::CLOSE);
                put_u64(out, at.0);
                put_recipients(out, to);
                out.extend_from_slice(closed);
            }
            Frame::Take { id, device, body } => {
                out.push(kind::TAKE);
                put_u64(out, id.0);
                put_device(out, *device);
                out.extend_from_slice(body);
            }
            Frame::Given { id, given } => {
                out.push(kind::GIVEN);
                put_u64(out, id.0);
                out.push(u8::from(given.is_some()));
                if let Some((entry, body)) = given {
                    put_entry(out, entry);
                    out.extend_from_slice(body);
                }
            }
            Frame::Got { id, device, wanted } => {
                out.push(kind::GOT);
                put_u64(out, id.0);
                put_device(out, *device);
                out.push(u8::from(*wanted));
            }
            Frame::Offer { id, entry, body } => {
                out.push(kind::OFFER);
                put_u64(out, id.0);
                put_entry(out, entry);
                out.extend_from_slice(body);
            }
            Frame::Check { devices, hash } => {
                out.push(kind::CHECK);
                put_u32(out, *devices);
                put_u64(out, *hash);
            }
            Frame::Seen { device } => {
                out.push(kind::SEEN);
                put_device(out, *device);
            }
            Frame::App(body) => {
                out.push(kind::APP);
                out.extend_from_slice(body);
            }
        }
    }
}

fn list<T>(out: &mut Vec<u8>, list: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
    put_varint(out, list.len() as u64);
    list.iter().for_each(|each| one(out, each));
}

fn put_entry(out: &mut Vec<u8>, device: &Entry) {
    put_device(out, device.id);
    put_u64(out, device.since.0);
    let bit = |set, bit| if set { bit } else { 0 };
    let flags =
        bit(device.parked, entry::PARKED) | bit(device.session, entry::SESSION) | bit(device.trial, entry::TRIAL);
    out.extend([device.hop, device.codec & entry::CODEC | flags]);
    put_bytes(out, device.cid.as_str().as_bytes());
}

fn put_room(out: &mut Vec<u8>, name: &Arc<str>, members: u32) {
    put_u32(out, members);
    put_bytes(out, name.as_bytes());
}

fn put_told(out: &mut Vec<u8>, cid: &Cid, told: &Told) {
    let bit = |set, bit| if set { bit } else { 0 };
    out.push(bit(told.here, told::HERE) | bit(told.raised, told::RAISED) | bit(told.by.is_some(), told::BY));
    put_u64(out, told.at.0);
    put_u64(out, told.prev.0);
    if let Some(by) = told.by {
        put_u64(out, by.number());
    }
    put_bytes(out, cid.as_str().as_bytes());
}

fn put_change(out: &mut Vec<u8>, what: &Change) {
    match what {
        Change::In(entry) => {
            out.push(change::IN);
            put_entry(out, entry);
        }
        Change::Out { id, cid, leaving } => put_out(out, *id, cid, leaving),
        Change::Park { id, cid, parked } => {
            out.push(change::PARK);
            put_device(out, *id);
            out.push(u8::from(*parked));
            put_bytes(out, cid.as_str().as_bytes());
        }
        Change::Confirm { id, cid } => {
            out.push(change::CONFIRM);
            put_device(out, *id);
            put_bytes(out, cid.as_str().as_bytes());
        }
        Change::Room { name, members } => {
            out.push(change::ROOM);
            put_room(out, name, *members);
        }
        Change::Told(cid, told) => {
            out.push(change::TOLD);
            put_told(out, cid, told);
        }
    }
}

fn put_out(out: &mut Vec<u8>, id: DeviceId, cid: &Cid, leaving: &Leaving) {
    out.push(change::OUT);
    put_device(out, id);
    out.push(u8::from(leaving.clean));
    put_bytes(out, &leaving.closed);
    put_bytes(out, cid.as_str().as_bytes());
}

fn put_recipients(out: &mut Vec<u8>, to: &Recipients) {
    match &to.scope {
        Scope::Everyone => out.push(scope::EVERYONE),
        Scope::User(cid) => put_user(out, cid),
        Scope::Device(id) => put_one_device(out, *id),
        Scope::Room(name) => {
            out.push(scope::ROOM);
            put_bytes(out, name.as_bytes());
        }
    }
    list(out, &to.except, |out, except| match except {
        Except::Device(id) => put_one_device(out, *id),
        Except::User(cid) => put_user(out, cid),
    });
}

fn put_user(out: &mut Vec<u8>, cid: &Cid) {
    out.push(scope::USER);
    put_bytes(out, cid.as_str().as_bytes());
}

fn put_one_device(out: &mut Vec<u8>, id: DeviceId) {
    out.push(scope::DEVICE);
    put_device(out, id);
}
