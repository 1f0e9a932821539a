//! How a call of another server has ended here, unless the device is not there.
//!
//! ```text
//! 0 · format u8 · payload       the procedure's result: 0 JSON, 1 MessagePack
//! 1 · JSON                      the procedure has failed: {"code", "message", "details"}
//! 2                             no answer in time
//! 3 · code u16 · text           the connection has ended before: how
//! 4                             not sent: too many calls are in flight
//! 5 · text                      not sent: it does not encode
//! 6 · bytes u64                 not sent: so many bytes are too many
//! 7                             not sent: the device reads too slowly
//! 8 · JSON                      not sent: the hook has stopped it, with that error
//! 9                             the device has acknowledged the message
//! 10                            its arrival will never be confirmed
//! 11                            it was too old before it could be sent
//! 12 · devices × (node u64, number u64)   the members of the room
//! ```

use super::bytes::{Parts, json, put_device, put_payload, text};
use crate::{
    error::{CallError, SendError},
    server::cluster::closing,
};
use bytes::Bytes;
use std::error::Error as _;
use wse_cluster::DeviceId;
use wse_proto::{EncodeError, Payload, RpError};

const RESULT: u8 = 0;
const FAILED: u8 = 1;
const TIMED_OUT: u8 = 2;
const DISCONNECTED: u8 = 3;
const BUSY: u8 = 4;
const UNENCODED: u8 = 5;
const TOO_BIG: u8 = 6;
const SLOW: u8 = 7;
const STOPPED: u8 = 8;
const ARRIVED: u8 = 9;
const UNCONFIRMED: u8 = 10;
const EXPIRED: u8 = 11;
const MEMBERS: u8 = 12;

/// How it ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Result(Payload<'static>),
    Failed(CallError),
    Arrived,
    Members(Vec<DeviceId>),
}

impl Answer {
    /// `None` where nothing was done, because the device is not there (any more).
    pub(crate) fn write(&self) -> Option<Bytes> {
        let mut out = Vec::new();
        match self {
            Answer::Result(payload) => {
                out.push(RESULT);
                put_payload(&mut out, payload);
            }
            Answer::Failed(error) => write_error(&mut out, error)?,
            Answer::Arrived => out.push(ARRIVED),
            Answer::Members(devices) => {
                out.push(MEMBERS);
                devices.iter().for_each(|id| put_device(&mut out, *id));
            }
        }
        Some(out.into())
    }

    /// Reads what another server has written. `None` when it is malformed.
    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let mut parts = Parts::of(bytes);
        let outcome = parts.u8()?;
        match outcome {
            RESULT => return parts.payload().map(Answer::Result),
            TOO_BIG => {
                let bytes = usize::try_from(parts.u64()?).unwrap_or(usize::MAX);
                return parts.is_over().then_some(Answer::Failed(SendError::TooBig(bytes).into()));
            }
            MEMBERS => return members(parts).map(Answer::Members),
            _ => {}
        }
        let rest = parts.rest();
        let error = match outcome {
            FAILED => CallError::failed(read_rp_error(&rest)?),
            DISCONNECTED => CallError::Disconnected { closed: closing::read(&rest)? },
            UNENCODED => CallError::Send(EncodeError::new(String::from(text(&rest)?)).into()),
            STOPPED => CallError::Send(SendError::Stopped(read_rp_error(&rest)?)),
            _ if !rest.is_empty() => return None,
            ARRIVED => return Some(Answer::Arrived),
            TIMED_OUT => CallError::TimedOut,
            BUSY => CallError::Busy,
            SLOW => CallError::Send(SendError::Slow),
            UNCONFIRMED => CallError::Send(SendError::Unconfirmed),
            EXPIRED => CallError::Send(SendError::Expired),
            _ => return None,
        };
        Some(Answer::Failed(error))
    }
}

fn write_error(out: &mut Vec<u8>, error: &CallError) -> Option<()> {
    match error {
        CallError::NotReady | CallError::Send(SendError::NotReady) => return None,
        // A server does not pass calls on, so it loses no node with one.
        CallError::TimedOut | CallError::NodeLost | CallError::Unreachable => out.push(TIMED_OUT),
        CallError::Disconnected { closed } => {
            out.push(DISCONNECTED);
            out.extend_from_slice(&closing::write(closed));
        }
        CallError::Busy => out.push(BUSY),
        CallError::NotRegistered(error) | CallError::Failed(error) => {
            out.push(FAILED);
            out.extend_from_slice(error.write().as_bytes());
        }
        CallError::Decode(error) => {
            out.push(UNENCODED);
            out.extend_from_slice(error.to_string().as_bytes());
        }
        CallError::Send(error) => write_send_error(out, error),
    }
    Some(())
}

fn write_send_error(out: &mut Vec<u8>, error: &SendError) {
    match error {
        SendError::TooBig(bytes) => {
            out.push(TOO_BIG);
            out.extend_from_slice(&(*bytes as u64).to_be_bytes());
        }
        SendError::Slow => out.push(SLOW),
        SendError::Encode(error) => {
            out.push(UNENCODED);
            // Without what every such error begins with.
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            out.extend_from_slice(why.as_bytes());
        }
        SendError::Stopped(error) => {
            out.push(STOPPED);
            out.extend_from_slice(error.write().as_bytes());
        }
        SendError::NotReady | SendError::Unconfirmed => out.push(UNCONFIRMED),
        SendError::Expired => out.push(EXPIRED),
    }
}

fn read_rp_error(bytes: &[u8]) -> Option<RpError> {
    Some(RpError::read(&json(bytes)?))
}

fn members(mut parts: Parts) -> Option<Vec<DeviceId>> {
    let mut members = Vec::new();
    while !parts.is_over() {
        members.push(parts.device()?);
    }
    Some(members)
}
