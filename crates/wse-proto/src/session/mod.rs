//! What a session needs to outlive its connection: the token to come back with, what hi and welcome
//! say of it, the count of what was received, and copies of what was sent. Nothing in here knows
//! whether there is a connection.

pub(crate) mod grant;
pub(crate) mod received;
pub(crate) mod sent;
pub(crate) mod token;
