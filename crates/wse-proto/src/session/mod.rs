//! The parts of a session that outlive its connection: tokens, the requests and grants of hi and welcome,
//! the count of what was received, and copies of what was sent. Nothing in here knows
//! whether there is a connection.

pub(crate) mod aging;
pub(crate) mod grant;
pub(crate) mod received;
pub(crate) mod sent;
pub(crate) mod token;
