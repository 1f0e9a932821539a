//! What outlives a connection, as values. They know no stream, no task and no connection.

pub(crate) mod bytes;
pub(crate) mod moved;
pub(crate) mod moving;
pub(crate) mod parking;
pub(crate) mod sent;
