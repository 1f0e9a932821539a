//! What a connection speaks: a protocol and one of its codecs. It is chosen once, and shared by all
//! connections that speak the same.

use wse_proto::{Codec, Protocol};

#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) protocol: Protocol,
    pub(crate) codec: Codec,
    /// The protocol's place among a server's.
    pub(crate) protocol_index: usize,
    /// The codec's place among all codecs of a server.
    pub(crate) index: usize,
}

impl Spoken {
    /// What a client of that protocol speaks.
    pub(crate) fn by_client(protocol: Protocol) -> Self {
        Self { codec: protocol.client_codec(), protocol, protocol_index: 0, index: 0 }
    }

    /// Everything that the connections of a server with these protocols may speak.
    pub(crate) fn by_server(protocols: &[Protocol]) -> Vec<Self> {
        let mut spoken = Vec::new();
        for (protocol_index, protocol) in protocols.iter().enumerate() {
            for codec in protocol.codecs() {
                let (protocol, index) = (protocol.clone(), spoken.len());
                spoken.push(Self { protocol, codec, protocol_index, index });
            }
        }
        spoken
    }
}
