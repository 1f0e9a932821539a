//! Why a connection ends, and when a client comes back.

pub(crate) mod backoff;
pub(crate) mod hint;
pub(crate) mod later;
pub(crate) mod reason;
pub(crate) mod restart;
pub(crate) mod wait;
