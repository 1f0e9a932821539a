//! What the registry knows of one user: packed into two words for a user with one device, as most are.

use crate::server::users::{member::Member, shards::Keyed};
use wse_cluster::DeviceId;
use wse_proto::{Cid, KeptHello};

/// A user who is there, or who has left handlers behind.
pub(crate) enum UserDevices<D> {
    /// One device, which is the user's first, and nothing else to be known.
    One(D),
    Rest(Box<Whole<D>>),
}

/// The same with room for everything. It is changed in this form only.
pub(crate) struct Whole<D> {
    cid: Cid,
    /// The oldest first.
    pub(crate) devices: Vec<D>,
    /// One of them, beyond the limit, that has not shown yet that it is there.
    pub(crate) unconfirmed: Option<DeviceId>,
    /// What the user's first device said; it outlives that device.
    pub(crate) first: Option<KeptHello>,
    /// Ended connections whose handlers still run.
    pub(crate) outliving: usize,
}

impl<D: Member> UserDevices<D> {
    pub(crate) fn devices(&self) -> &[D] {
        match self {
            UserDevices::One(device) => std::slice::from_ref(device),
            UserDevices::Rest(user) => &user.devices,
        }
    }

    /// What the user's first device said.
    pub(crate) fn first(&self) -> Option<KeptHello> {
        match self {
            UserDevices::One(device) => Some(device.hello()),
            UserDevices::Rest(user) => user.first.clone(),
        }
    }

    /// How many ended connections have handlers that still run.
    pub(crate) fn outliving(&self) -> usize {
        match self {
            UserDevices::One(_) => 0,
            UserDevices::Rest(user) => user.outliving,
        }
    }

    pub(crate) fn whole(self) -> Whole<D> {
        match self {
            UserDevices::One(device) => Whole {
                cid: device.cid().clone(),
                first: Some(device.hello()),
                devices: vec![device],
                unconfirmed: None,
                outliving: 0,
            },
            UserDevices::Rest(user) => *user,
        }
    }
}

impl<D: Member> Keyed for UserDevices<D> {
    type Key = Cid;

    fn key(&self) -> &Cid {
        match self {
            UserDevices::One(device) => device.cid(),
            UserDevices::Rest(user) => &user.cid,
        }
    }
}

impl<D: Member> Whole<D> {
    pub(crate) fn new(cid: &Cid) -> Self {
        Self { cid: cid.clone(), devices: Vec::new(), unconfirmed: None, first: None, outliving: 0 }
    }

    /// Devices that count against the limit.
    pub(crate) fn counted(&self) -> usize {
        self.devices.len() - usize::from(self.unconfirmed.is_some())
    }

    /// The smallest form; `None` for a user who is not there and has left no handlers behind.
    pub(crate) fn packed(mut self) -> Option<UserDevices<D>> {
        let is_first = |device: &D| self.first.as_ref().is_some_and(|first| first.is_same(&device.hello()));
        match &self.devices[..] {
            [] if self.outliving == 0 => None,
            [only] if self.outliving == 0 && self.unconfirmed.is_none() && is_first(only) => {
                self.devices.pop().map(UserDevices::One)
            }
            _ => Some(UserDevices::Rest(Box::new(self))),
        }
    }
}
