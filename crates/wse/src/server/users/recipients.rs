//! The recipients of a message, as a plain value. It holds no connection and no server, so that it can
//! travel to another node.

use crate::server::users::id::DeviceId;
use std::sync::Arc;
use wse_proto::Cid;

/// All devices within a scope, except those left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipients {
    pub(crate) scope: Scope,
    pub(crate) except: Vec<Except>,
}

/// The devices for which a message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everyone,
    User(Cid),
    Device(DeviceId),
    Room(Arc<str>),
}

/// Devices within the scope that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Except {
    Device(DeviceId),
    User(Cid),
}

impl From<Scope> for Recipients {
    fn from(scope: Scope) -> Self {
        Recipients { scope, except: Vec::new() }
    }
}

impl Recipients {
    /// Whether a device within the scope is left out.
    pub(crate) fn leaves_out(&self, id: DeviceId, cid: &Cid) -> bool {
        self.except.iter().any(|except| match except {
            Except::Device(device) => *device == id,
            Except::User(user) => user == cid,
        })
    }
}
