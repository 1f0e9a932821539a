//! The client's own task: attempts, reconnects, jumps, the end. Commands come in, one at a time,
//! and events go out in order. It may never run the application's code itself, so that an event
//! handler can give commands.

use crate::{
    client::{
        ClientInner,
        attempt::Attempt,
        event::ClientEvent,
        link::{Gone, Link},
        owner::Welcomed,
        state::{Shared, Target},
        status::Status,
    },
    error::ConnectError,
};
use std::sync::{Arc, Weak};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{Backoff, Closed, Hint, Reason, RpError, Token, Wanted};

pub(crate) type Reply = oneshot::Sender<Result<(), ConnectError>>;

/// What the application wants.
pub(crate) enum Command {
    Connect(Reply),
    Jump(Target, Reply),
    Close(Reason, oneshot::Sender<()>),
}

/// An event, and what is let through once it was handled.
pub(crate) type Told = (ClientEvent, Option<oneshot::Sender<()>>);

pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Weak<ClientInner>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) target: Target,
    pub(crate) events: mpsc::UnboundedSender<Told>,
    /// Who waits for the welcome.
    pub(crate) waiting: Option<Reply>,
    /// Who waits for the end.
    pub(crate) closing: Option<oneshot::Sender<()>>,
    /// The last connection, and its session.
    pub(crate) left: Option<Left>,
}

/// A session whose connection is lost, or that has ended with it: then to tell what was lost.
pub(crate) struct Left {
    connection: Link,
    /// What to come back with, and how many envelopes of the server have come over it.
    resume: Option<(Token, u64)>,
}

impl Left {
    /// How far both directions have come.
    fn progress(&self) -> (u64, u64) {
        (self.resume.as_ref().map_or(0, |(_, taken)| *taken), self.connection.handle.outbox.acknowledged())
    }
}

/// What follows.
enum Next {
    /// Another attempt at once.
    Again,
    /// Another attempt after a wait, of which the server may have said how long.
    Later(Hint),
    /// Nothing, until the application says so.
    Stop,
}

impl Driver {
    /// Runs until every handle is gone.
    pub(crate) async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Connect(reply) => self.waiting = Some(reply),
                Command::Jump(target, reply) => {
                    self.shared.set_url(&target.url);
                    (self.target, self.waiting) = (target, Some(reply));
                }
                Command::Close(_, done) => {
                    self.status(Status::Offline);
                    let _ = done.send(()); // who asked may have gone
                    continue;
                }
            }
            self.online().await;
            self.leave();
            self.status(Status::Offline);
            self.answer(Err(ConnectError::GivenUp));
            if let Some(done) = self.closing.take() {
                let _ = done.send(());
            }
        }
    }

    /// From the first attempt to the final end.
    async fn online(&mut self) {
        let mut failed = 0;
        self.status(Status::Connecting);
        loop {
            let before = self.left.as_ref().map(Left::progress);
            let next = match self.attempt().await {
                Ok(Ok((connection, welcomed))) => {
                    let (resumed, since) = (welcomed.resumed, Instant::now());
                    let next = self.live(connection, welcomed).await;
                    // A session that is cut again and again at once without getting on is no success.
                    let stuck = resumed && before == self.left.as_ref().map(Left::progress);
                    failed = if stuck && since.elapsed() < self.backoff().max { failed } else { 0 };
                    next
                }
                Ok(Err(error)) => self.failed(error, failed),
                Err(next) => next,
            };
            match next {
                Next::Stop => return,
                Next::Again => {
                    failed = 0;
                    self.leave();
                    self.status(Status::Connecting);
                }
                Next::Later(hint) => {
                    self.status(Status::ReConnecting);
                    let wait = tokio::time::sleep(hint.wait(&self.backoff(), failed, rand::random()));
                    failed = failed.saturating_add(1);
                    match self.or_told(wait).await {
                        Ok(()) => {}
                        Err(Next::Stop) => return,
                        Err(_) => {
                            failed = 0;
                            self.leave();
                            self.status(Status::Connecting);
                        }
                    }
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Result<(Option<Link>, Welcomed), ConnectError>, Next> {
        if let Some(left) = &mut self.left
            && let Some(Gone::Parked(_, token, taken)) = left.connection.settle().await
        {
            left.resume = Some((token, taken));
        }
        let left = self.left.as_ref();
        let resume = left.filter(|left| left.connection.is_open()).and_then(|left| left.resume.clone());
        let resume = resume.map(|(token, seen)| Wanted::Resume { token, seen });
        let asks = self.shared.options.resume && self.shared.options.reconnect.is_some();
        let attempt = Attempt {
            shared: self.shared.clone(),
            client: self.client.clone(),
            events: self.events.clone(),
            target: self.target.clone(),
            left: left.map(|left| left.connection.handle.clone()),
            wanted: asks.then(|| resume.unwrap_or(Wanted::New)),
        };
        self.or_told(attempt.run()).await
    }

    /// Waits for something, unless a command says otherwise.
    async fn or_told<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Next> {
        let mut something = std::pin::pin!(something);
        loop {
            tokio::select! {
                done = &mut something => return Ok(done),
                command = self.commands.recv() => if let Some(next) = self.told(command) { return Err(next) },
            }
        }
    }

    /// What a command means for the attempt or the connection that is there.
    fn told(&mut self, command: Option<Command>) -> Option<Next> {
        match command {
            Some(Command::Connect(reply)) => {
                let _ = reply.send(Err(ConnectError::AlreadyConnected));
                None
            }
            Some(Command::Jump(target, reply)) => {
                self.answer(Err(ConnectError::GivenUp));
                self.shared.set_url(&target.url);
                (self.target, self.waiting) = (target, Some(reply));
                Some(Next::Again)
            }
            Some(Command::Close(_, done)) => {
                self.closing = Some(done);
                Some(Next::Stop)
            }
            None => Some(Next::Stop),
        }
    }

    /// A connection, from the welcome until it is lost or ends: a new one, or another one of the
    /// session before.
    async fn live(&mut self, connection: Option<Link>, welcomed: Welcomed) -> Next {
        let Welcomed { release, resumed, lost } = welcomed;
        let before = self.left.take().map(|left| left.connection);
        let Some(mut connection) = connection.or(before) else { return Next::Later(Hint::Nothing) };
        self.status(Status::Ready);
        let welcome = self.shared.welcome();
        self.tell(ClientEvent::Ready { welcome, resumed, lost }, Some(release));
        self.answer(Ok(()));
        loop {
            let command = tokio::select! {
                gone = connection.gone() => {
                    let (closed, resume) = match gone {
                        Gone::Parked(closed, token, taken) => (closed, Some((token, taken))),
                        Gone::Ended(closed) => (closed, None),
                    };
                    self.left = Some(Left { connection, resume });
                    return self.ended(closed);
                }
                command = self.commands.recv() => command,
            };
            let closed = match &command {
                Some(Command::Close(reason, _)) => Closed::normal(reason.clone().or(Reason::BY_CLIENT)),
                Some(Command::Jump(..)) => Closed::jump(),
                Some(Command::Connect(_)) | None => Closed::normal(Reason::BY_CLIENT),
            };
            if let Some(next) = self.told(command) {
                let closed = connection.close(closed).await;
                self.left = Some(Left { connection, resume: None });
                self.tell(ClientEvent::Closed(closed), None);
                return next;
            }
        }
    }

    fn ended(&mut self, closed: Closed) -> Next {
        let codec = self.shared.options.protocol.client_codec();
        let later = codec.is_temporary(&closed) && self.tries_again(0);
        let hint = Hint::from(&closed);
        self.tell(ClientEvent::Closed(closed), None);
        if later { Next::Later(hint) } else { Next::Stop }
    }

    /// The application leaves the last connection: its session is over, and only what was lost is still
    /// to be told.
    fn leave(&mut self) {
        if let Some(left) = &mut self.left {
            left.connection.abandon();
            left.resume = None;
        }
    }

    fn backoff(&self) -> Backoff {
        self.shared.options.reconnect.unwrap_or_default()
    }

    /// Whether another attempt follows after so many that were tried again.
    fn tries_again(&self, failed: u32) -> bool {
        self.shared.options.reconnect.is_some_and(|backoff| failed < backoff.retries)
    }

    /// An attempt failed: for now, or for good.
    fn failed(&mut self, error: ConnectError, failed: u32) -> Next {
        if let Some(closed) = error.closed() {
            self.tell(ClientEvent::Closed(closed.clone()), None);
        }
        if error.is_temporary(&self.shared.options.protocol) && self.tries_again(failed) {
            tracing::info!(%error, "not connected, trying again");
            return Next::Later(error.hint());
        }
        if self.waiting.is_some() {
            self.answer(Err(error));
        } else {
            tracing::warn!(%error, "not connected again");
            let code = error.code();
            let mut told = RpError::from(error);
            code.clone_into(&mut told.code);
            self.tell(ClientEvent::Error { code, name: None, error: Arc::new(told) }, None);
        }
        Next::Stop
    }

    fn answer(&mut self, answer: Result<(), ConnectError>) {
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.send(answer); // who asked may have gone
        }
    }

    fn status(&self, status: Status) {
        let change = |now: &mut Status| std::mem::replace(now, status) != status;
        if self.shared.status.send_if_modified(change) {
            self.tell(ClientEvent::Status(status), None);
        }
    }

    fn tell(&self, event: ClientEvent, release: Option<oneshot::Sender<()>>) {
        if self.shared.listeners.is_empty() {
            let _ = release.map(|release| release.send(()));
        } else {
            let _ = self.events.send((event, release)); // its task lives as long as this one
        }
    }
}

/// Handles the events of a client, one after the other.
pub(crate) async fn handle_events(shared: Arc<Shared>, mut events: mpsc::UnboundedReceiver<Told>) {
    while let Some((event, release)) = events.recv().await {
        if let Some(told) = shared.listeners.tell(event) {
            told.await;
        }
        let _ = release.map(|release| release.send(())); // the connection may have ended meanwhile
    }
}
