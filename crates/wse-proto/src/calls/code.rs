//! The error codes that cross the wire or reach the application. Applications in both languages compare
//! them as strings, so a code must not change.

/// Error codes, as strings on the wire and in the application.
#[derive(Debug)]
pub struct Code;

#[rustfmt::skip]
impl Code {
    /// The client has no answer to the server's challenge: no challenge handler, or it failed.
    pub const INVALID_CRA_HANDLER: &str = "wse.client.invalid-cra-handler";
    /// No answer came in time.
    pub const RP_TIMEOUT: &str = "wse.client.rp.timeout";
    /// The connection ended while the call was in flight.
    pub const RP_DISCONNECT: &str = "wse.client.rp.disconnect";
    /// The caller has given the call up. In Rust its future was dropped, so no caller sees the code.
    pub const RP_ABORTED: &str = "wse.client.rp.aborted";
    /// Too many calls of this side are in flight.
    pub const RP_BUSY: &str = "wse.client.rp.busy";
    /// An answer came that is not of the type asked for, or a message does not encode.
    pub const RP_INVALID: &str = "wse.client.rp.invalid";
    /// A call was not sent: its argument does not encode, or is too big.
    pub const RP_SEND_FAILED: &str = "wse.client.rp.send-failed";
    /// The client is connected or connecting already.
    pub const ALREADY_CONNECTED: &str = "wse.client.already-connected";
    /// The connection could not be made, or broke.
    pub const WS_ERROR: &str = "wse.client.ws-error";
    /// The connection ended before the welcome, and the server did not refuse the client.
    pub const CONNECTION_CLOSED: &str = "wse.client.connection-closed";
    /// The server refused the client.
    pub const NOT_AUTHORIZED: &str = "wse.not-authorized";
    /// The client is not connected.
    pub const NOT_READY: &str = "wse.client.not-ready";
    /// The user has no such connection.
    pub const CONNECTION_MISSING: &str = "wse.server.client.connection-missing";
    /// The server was built without identify. In Rust such a server does not compile.
    pub const IDENTIFY_HANDLER_MISSING: &str = "wse.server.auth.identify-handler-missing";
    /// identify could not make a challenge.
    pub const INVALID_CRA_GENERATOR: &str = "wse.server.auth.invalid-cra-generator";
    /// A procedure failed with an error that has no code of its own.
    pub const RP_FAILED: &str = "wse.server.rp.failed";
    /// No procedure has that name.
    pub const RP_NOT_REGISTERED: &str = "wse.server.rp.not-registered";
    /// A procedure has that name already.
    pub const RP_ALREADY_REGISTERED: &str = "wse.server.rp.already-registered";
    /// The server that the called device is connected to was lost. Whether the procedure ran is unknown.
    pub const NODE_LOST: &str = "wse.server.node-lost";
    /// The device is connected to another server, which this one does not reach.
    pub const UNREACHABLE: &str = "wse.server.unreachable";
    /// A peer broke the protocol.
    pub const PROTOCOL_VIOLATION: &str = "wse.server.protocol-violation";
    /// A connection broke.
    pub const CONNECTION_ERROR: &str = "wse.server.connection-error";
    /// A message handler failed, or a stranger broke the protocol.
    pub const MSG_PROCESSING_ERROR: &str = "wse.server.msg-processing-error";
}
