//! Who has come back: a client that has no reason to stay away is there at the end. It decides by what ended
//! each connection, and not by what the client makes of it.

use std::collections::BTreeMap;
use wse_proto::Closed;

/// How a client stands, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    There,
    Away(Closed),
}

/// The clients of a run, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Returns(BTreeMap<usize, Standing>);

impl Returns {
    pub(crate) fn there(&mut self, client: usize) {
        self.0.insert(client, Standing::There);
    }

    /// Its connection or its attempt has ended like this.
    pub(crate) fn away(&mut self, client: usize, closed: &Closed) {
        self.0.insert(client, Standing::Away(closed.clone()));
    }

    /// Checks the end: nothing that passes by itself is final.
    pub(crate) fn finish(&self) {
        for (client, standing) in &self.0 {
            if let Standing::Away(closed) = standing {
                // In a run 1000 is a goodbye, a drop, a newer device or a refusal, and nothing else is.
                assert_eq!(closed.code, 1000, "client {client} may come back after {closed}, and has not");
            }
        }
    }
}
