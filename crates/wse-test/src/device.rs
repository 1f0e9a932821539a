//! One connection of a network: its faults and its counts.

use crate::{
    connections::{Connections, Counts},
    faults::Faults,
};
use std::sync::Arc;

/// One connection of a network, live, over or to come, from [`Net::device`](crate::Net::device) or
/// [`Proxy::device`](crate::Proxy::device). A handle, cheap to clone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = wse::Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let net = wse_test::Net::new(&server);
/// let ann = net.client().identity("ann").connect().await?;
/// let bob = net.client().identity("bob").connect().await?;
///
/// let of_bob = net.device(2);
/// let before = of_bob.counts().to_server;
/// of_bob.faults().to_server().cut_after(before + 3);
/// ann.send("say", "hello")?;
/// bob.send("say", "hello")?;
/// let counts = of_bob.until(|counts| counts.live == 0).await;
/// assert_eq!((counts.to_server, counts.cuts), (before + 3, 1));
/// assert_eq!(net.device(1).counts().live, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    connections: Arc<Connections>,
    number: u64,
}

impl Device {
    pub(crate) fn new(connections: &Arc<Connections>, number: u64) -> Self {
        Self { connections: connections.clone(), number }
    }

    /// Its faults: [`Faults::nth`] of its number.
    pub fn faults(&self) -> Faults {
        Faults::new(self.connections.clone()).nth(self.number)
    }

    /// What it has carried so far: nothing before it was dialed.
    pub fn counts(&self) -> Counts {
        self.connections.counts(Some(self.number))
    }

    /// Waits until a condition holds for its counts, as [`Net::until`](crate::Net::until) does for those
    /// of all.
    pub async fn until(&self, holds: impl FnMut(&Counts) -> bool) -> Counts {
        self.connections.until(Some(self.number), holds).await
    }
}
