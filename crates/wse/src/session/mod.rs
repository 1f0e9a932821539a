//! What outlives a connection, as values. It knows no stream, no task and no connection.

pub(crate) mod parking;
