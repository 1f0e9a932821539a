//! Whether a user is there, as a value.

use serde::{Deserialize, Serialize};
use std::fmt;
use wse_proto::Cid;

/// Whether a user is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A device of the user is connected.
    Online,
    /// The user is likely to be back: every device has lost its connection but not its session, or the last
    /// one has left without a goodbye within [`Limits::presence_grace`](crate::Limits::presence_grace).
    Away,
    /// The user is not there.
    Offline,
}

/// A change of a user's presence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The user.
    pub cid: Cid,
    /// What is true now.
    pub status: Status,
}

impl Status {
    /// Of a user whose devices are parked or not, and who may be back or not.
    pub(crate) fn of(parked: impl IntoIterator<Item = bool>, lingers: impl FnOnce() -> bool) -> Self {
        let mut devices = parked.into_iter().peekable();
        let none = devices.peek().is_none();
        if devices.any(|parked| !parked) {
            return Status::Online;
        }
        if !none || lingers() { Status::Away } else { Status::Offline }
    }

    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Away => "away",
            Status::Offline => "offline",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connected_device_makes_a_user_online_and_all_parked_ones_away() {
        let of = |parked: &[bool], lingers: bool| Status::of(parked.iter().copied(), || lingers);
        for lingers in [false, true] {
            assert_eq!(of(&[false], lingers), Status::Online);
            assert_eq!(of(&[true, false, true], lingers), Status::Online);
            assert_eq!(of(&[true, true], lingers), Status::Away);
        }
        assert_eq!((of(&[], true), of(&[], false)), (Status::Away, Status::Offline));
    }
}
