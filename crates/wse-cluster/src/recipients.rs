//! The recipients of a message, as a plain value. It holds no connection and no server, so that it can
//! travel to another node.

use crate::DeviceId;
use std::sync::Arc;
use wse_proto::Cid;

/// All devices within a scope, except those left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    /// Among these devices.
    pub scope: Scope,
    /// Without these.
    pub except: Vec<Except>,
}

/// The devices for which a message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every device.
    Everyone,
    /// The devices of one user.
    User(Cid),
    /// One device.
    Device(DeviceId),
    /// The members of a room.
    Room(Arc<str>),
}

/// Devices within the scope that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Except {
    /// One device.
    Device(DeviceId),
    /// All devices of a user.
    User(Cid),
}

impl From<Scope> for Recipients {
    fn from(scope: Scope) -> Self {
        Recipients { scope, except: Vec::new() }
    }
}

impl Recipients {
    /// Whether a device within the scope is left out.
    pub fn leaves_out(&self, id: DeviceId, cid: &Cid) -> bool {
        self.except.iter().any(|except| match except {
            Except::Device(device) => *device == id,
            Except::User(user) => user == cid,
        })
    }
}
