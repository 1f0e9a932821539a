//! What a trusted proxy has written and the server cannot read. The log has it once for each kind, since a
//! proxy that is set up wrong writes the same with every request.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// The kinds that were told already.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Mutex<Vec<&'static str>>);

impl Unreadable {
    /// Tells that what a proxy has written is unreadable, unless that was told of this kind before.
    pub(crate) fn tell(&self, kind: &'static str, proxy: Option<IpAddr>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&kind) {
            told.push(kind);
            drop(told);
            tracing::warn!(kind, proxy = proxy.map(tracing::field::display), "address from a trusted proxy unreadable");
        }
    }
}
