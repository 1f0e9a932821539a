//! The threads that a server has of its own: one runtime each, and accepted sockets are handed over in turn.

use crate::{
    error::ServeError,
    server::{
        Server,
        admission::{peer::Peer, sockets::Sockets},
    },
};
use std::{future::Future, io, thread};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

/// Sockets that may wait for one thread. More are accepted only for the others.
const QUEUE: usize = 1024;

/// Begins to serve a socket, in the thread that runs it.
type Job = Box<dyn FnOnce(UnderWay) + Send>;

/// Held by an admission: its thread does not end before it, though no connection is there yet.
pub(crate) type UnderWay = mpsc::Sender<()>;

/// The threads of one listening. When this is dropped they serve on, and end as soon as their server has no
/// connection left: a session may be resumed over a socket of another thread.
pub(crate) struct Cores {
    threads: Vec<mpsc::Sender<Job>>,
    /// The thread whose turn it is.
    next: usize,
}

impl Cores {
    /// Starts the threads that the server was built with; there may be none.
    pub(crate) fn start(server: &Server) -> Result<Self, ServeError> {
        let count = server.0.rules.cores;
        let threads = (0..count).map(|number| start(server.clone(), number)).collect::<io::Result<_>>();
        let threads = threads.map_err(|error| {
            ServeError::Listen(io::Error::new(error.kind(), format!("{count} threads of its own: {error}")))
        })?;
        Ok(Self { threads, next: 0 })
    }

    /// Accepts a connection as soon as a thread has room for it.
    pub(crate) async fn accept<S: Sockets>(&mut self, sockets: &mut S) -> io::Result<(S::Io, Peer)> {
        self.room().await;
        sockets.accept().await
    }

    /// Passes over threads that have no room, and waits where none has any.
    async fn room(&mut self) {
        let count = self.threads.len();
        let mut turns = (self.next..self.next + count).map(|turn| turn % count);
        if let Some(free) = turns.find(|thread| self.threads[*thread].capacity() > 0) {
            self.next = free;
        } else if let Some(next) = self.threads.get(self.next) {
            let _ = next.reserve().await; // fails only without its thread, which outlives this
        }
    }

    /// Serves a connection in a task of the thread whose turn it is; of this runtime where there are no
    /// threads.
    pub(crate) fn serve<S, Fut>(
        &mut self,
        io: S::Io,
        serve: impl FnOnce(S::Io, Option<UnderWay>) -> Fut + Send + 'static,
    ) where
        S: Sockets,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Some(thread) = self.threads.get(self.next) else {
            tokio::spawn(serve(io, None));
            return;
        };
        let job = move |under_way| match S::adopt(io) {
            Ok(io) => drop(tokio::spawn(serve(io, Some(under_way)))),
            Err(error) => tracing::debug!(%error, "accepted connection was not handed over"),
        };
        let _ = thread.try_send(Box::new(job)); // there is room, and nobody else sends
        self.next = (self.next + 1) % self.threads.len();
    }
}

/// Starts a thread. It ends when the sender was dropped, no admission is under way here and no connection of the server is left.
fn start(server: Server, number: usize) -> io::Result<mpsc::Sender<Job>> {
    let core = Core::new()?;
    let (sender, mut jobs) = mpsc::channel::<Job>(QUEUE);
    let run = move || {
        core.run(async {
            let (under_way, mut admissions) = mpsc::channel(1);
            while let Some(job) = jobs.recv().await {
                job(under_way.clone());
            }
            drop(under_way);
            admissions.recv().await; // nothing comes: it waits for the last to be dropped
            server.quiet().await;
        });
    };
    thread::Builder::new().name(format!("wse-core-{number}")).spawn(run)?;
    Ok(sender)
}

/// The runtime of a thread. It waits for no code that blocks when it is dropped, so it may be dropped where async
/// code runs too: there, when its thread could not be started.
struct Core(Option<Runtime>);

impl Core {
    fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(|runtime| Core(Some(runtime)))
    }

    fn run(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_core_whose_thread_could_not_be_started_is_dropped_without_a_panic() {
        drop(Core::new().unwrap());
    }
}
