//! All connections of a server, and the shutdown, which ends every one of them. No connection enters
//! after the shutdown began.

use crate::{
    connection::handle::Handle,
    places::{Place, Places, Total},
    server::{Inner, Server, cluster::member::GOODBYE},
};
use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
    vec,
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};
use wse_proto::{Restart, Turn};

/// How long a shutdown waits for connections that were cut when the grace was over.
const LAST: Duration = Duration::from_millis(100);

/// How long a shutdown waits until other nodes know where its sessions are.
const KNOWN: Duration = Duration::from_millis(500);

pub(crate) struct Connections {
    handles: Arc<Places<Arc<Handle>, Live>>,
    /// Whether the shutdown began.
    down: watch::Sender<bool>,
    /// Whether the shutdown is over.
    done: watch::Sender<bool>,
    /// Notified when the last connection has ended.
    ended: Arc<Notify>,
}

/// A connection's entry, removed when this is dropped.
pub(crate) struct LiveConnection {
    _place: Place<Arc<Handle>, Live>,
}

/// How many connections there are.
struct Live {
    count: usize,
    ended: Arc<Notify>,
}

impl Total<Arc<Handle>> for Live {
    fn add(&mut self, _: &Arc<Handle>) {
        self.count += 1;
    }

    fn remove(&mut self, _: &Arc<Handle>) {
        self.count -= 1;
        if self.count == 0 {
            self.ended.notify_waiters();
        }
    }
}

/// A shutdown that is under way. Dropping it ends the shutdown, and closes the connections whose turn has
/// not come yet at once.
pub(crate) struct Shutdown {
    connections: Arc<Connections>,
    began: Instant,
    turns: vec::IntoIter<(Arc<Handle>, Turn)>,
}

impl Server {
    /// Stops the server. It accepts no new connections, and each connection is closed when its turn
    /// comes: its running handlers may finish and answer, then it is closed with 1012
    /// `wse.restart after=MS`, and the application is told. Connections that are left when the grace
    /// is over are cut; the application may be told of those after this has returned.
    ///
    /// Returns when no connection is left, and at the latest a tenth of a second after the grace. A node of a
    /// cluster says goodbye to the others behind that, for at most a second more.
    /// [`listen`](Server::listen) and its siblings return then too. The server cannot be used again. A
    /// handler that calls this waits for itself until the grace is over. When the future is dropped, the
    /// connections that are left are closed at once.
    ///
    /// A handler that blocks its thread cannot be ended: it runs on after this has returned, and its
    /// connection ends when it returns. It keeps its runtime from being dropped, and so the process from
    /// ending by the end of `main`; `std::process::exit` ends it. On a current-thread runtime, and where
    /// this is awaited in a task while handlers block every worker, this too waits for such a handler.
    ///
    /// A few connections are closed at once, many over a spread of time: 20 in a second for each of
    /// [`Limits::returns_per_second`](crate::Limits::returns_per_second), within half of the grace. Until
    /// its turn a connection is served as before. `MS` tells each client when to come back: the first comes
    /// a second after the last close, and the others follow evenly, a tenth below that rate.
    ///
    /// A supervisor (systemd, Docker, Kubernetes) asks a process to end by SIGTERM, a terminal by SIGINT:
    ///
    /// ```no_run
    /// use tokio::signal::unix::{SignalKind, signal};
    ///
    /// # async fn example(server: wse::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut terminate = signal(SignalKind::terminate())?;
    /// tokio::select! {
    ///     served = server.listen("127.0.0.1:4200") => served?,
    ///     _ = terminate.recv() => {}
    ///     _ = tokio::signal::ctrl_c() => {}
    /// }
    /// server.shutdown(std::time::Duration::from_secs(10)).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, grace: Duration) {
        let _leaving = LeavesCluster(&self.0); // also when this is dropped
        let mut shutdown = self.0.connections.shut_down(self.0.env.limits.returns_per_second, grace);
        let quiet = async {
            tokio::select! {
                () = shutdown.drain() => {}
                () = self.0.connections.empty() => {} // some left before their turn
            }
            self.quiet().await;
        };
        let ended = tokio::select! {
            () = quiet => true,
            () = elapsed(grace) => false,
        };
        if !ended {
            self.0.connections.abort();
            tokio::select! {
                () = self.0.connections.empty() => {}
                () = elapsed(LAST) => {} // the handlers of those that are left block their threads
            }
        }
        self.0.watching.end();
        self.leave_cluster().await;
    }

    /// Leaves the cluster with a goodbye, and waits until that is on its way: not for ever, since the runtime of
    /// the cluster may not run any more. Before that other nodes have some time to learn where the sessions of this
    /// one are: what they send until then goes there by this one.
    async fn leave_cluster(&self) {
        let Some(member) = &self.0.cluster else { return };
        let known = Instant::now() + KNOWN;
        while self.0.moves.are_crossing() && Instant::now() < known {
            tokio::time::sleep(KNOWN / 50).await;
        }
        self.0.end_cluster();
        tokio::select! {
            () = member.left() => {}
            () = elapsed(GOODBYE) => {}
        }
    }

    /// Resolves when no connection is left, and the application was told of all that ended.
    pub(crate) async fn quiet(&self) {
        self.0.connections.empty().await;
        self.0.registry.empty().await;
        self.0.events.handled().await;
    }
}

/// Leaves the cluster at the end of a shutdown.
struct LeavesCluster<'a>(&'a Inner);

impl Drop for LeavesCluster<'_> {
    fn drop(&mut self) {
        self.0.end_cluster();
    }
}

/// Resolves after that time, also while handlers block every thread that keeps the runtime's time.
async fn elapsed(time: Duration) {
    let (ring, rung) = oneshot::channel();
    let (held, dropped) = mpsc::channel::<()>();
    let clock = move || {
        if dropped.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            let _ = ring.send(()); // it is not needed any more
        }
    };
    // Without a thread of its own there is still the runtime's time.
    let _ = thread::Builder::new().name("wse-shutdown".to_owned()).spawn(clock);
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        Ok(()) = rung => {}
    }
    drop(held); // the thread ends
}

impl Connections {
    pub(crate) fn new() -> Self {
        let ended = Arc::new(Notify::new());
        Self {
            handles: Places::new(Live { count: 0, ended: ended.clone() }),
            down: watch::Sender::new(false),
            done: watch::Sender::new(false),
            ended,
        }
    }

    /// Enters a connection; `None` after the shutdown began.
    pub(crate) fn enter(&self, handle: &Arc<Handle>) -> Option<LiveConnection> {
        let mut handles = self.handles.lock();
        if self.is_down() {
            return None;
        }
        Some(LiveConnection { _place: self.handles.take(&mut handles, handle.clone()) })
    }

    pub(crate) fn is_down(&self) -> bool {
        *self.down.borrow()
    }

    /// Resolves when the shutdown begins.
    pub(crate) async fn down(&self) {
        // Fails only without a sender, and this holds it.
        let _ = self.down.subscribe().wait_for(|down| *down).await;
    }

    /// Resolves when the shutdown is over, or its future was dropped.
    pub(crate) async fn done(&self) {
        let _ = self.done.subscribe().wait_for(|done| *done).await; // fails only without a sender
    }

    /// Begins the shutdown: no connection enters any more, and each that is there gets a turn to be
    /// closed, the oldest first.
    pub(crate) fn shut_down(self: &Arc<Self>, returns_per_second: u32, grace: Duration) -> Shutdown {
        let handles: Vec<Arc<Handle>> = {
            let handles = self.handles.lock();
            self.down.send_replace(true);
            handles.holders().cloned().collect()
        };
        let turns = Restart::new(handles.len(), returns_per_second, grace).turns();
        let turns: Vec<(Arc<Handle>, Turn)> = handles.into_iter().zip(turns).collect();
        Shutdown { connections: self.clone(), began: Instant::now(), turns: turns.into_iter() }
    }

    /// Resolves when no connection is left.
    pub(crate) async fn empty(&self) {
        loop {
            let ended = self.ended.notified();
            if self.handles.lock().len() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Ends every connection that is left, at once.
    pub(crate) fn abort(&self) {
        for handle in self.handles.lock().holders() {
            handle.abort();
        }
    }
}

impl Shutdown {
    /// Asks every connection to finish its handlers and close, each when its turn comes.
    pub(crate) async fn drain(&mut self) {
        while let Some((_, turn)) = self.turns.as_slice().first() {
            let due = self.began + turn.at;
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            self.next();
        }
    }

    /// Asks the next connection. False when none is left.
    fn next(&mut self) -> bool {
        let next = self.turns.next();
        next.map(|(handle, turn)| handle.drain(turn.end)).is_some()
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        while self.next() {}
        self.connections.done.send_replace(true);
    }
}
