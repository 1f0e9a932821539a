//! The client's task, which lives as long as the client: attempt, connection, wait, next attempt.
//! It must never run the application's code itself, so that an event handler can give commands.

use crate::{
    client::{
        ClientInner,
        attempt::{Attempt, Outcome},
        event::{ClientEvent, QueuedEvent},
        link::Link,
        retry::{Cause, Course, Interruption, NextAttempt, Standing, next_attempt},
        state::{ClientState, GiveUpOn, Target},
        status::Status,
    },
    error::ConnectError,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wse_proto::{Backoff, Hint, Reason, RpError};

/// Takes the result of `connect` or `jump`.
pub(crate) type Reply = oneshot::Sender<Result<(), ConnectError>>;

/// What the application asks of the client's task.
pub(crate) enum Command {
    Connect(Reply),
    Jump(Target, Reply),
    Close(Reason, oneshot::Sender<()>),
}

/// The client's task.
pub(crate) struct ClientTask {
    state: Arc<ClientState>,
    client: Weak<ClientInner>,
    commands: mpsc::UnboundedReceiver<Command>,
    target: Target,
    events: mpsc::UnboundedSender<QueuedEvent>,
    /// The `connect` or `jump` that waits for the welcome.
    connecting: Option<Reply>,
    /// The `close` that waits for the end.
    closing: Option<oneshot::Sender<()>>,
    /// The last connection, once it is lost, and its session. After the session's end it still tells
    /// how much was lost.
    previous: Option<Link>,
    /// It begins anew with another address, and when the client was offline.
    standing: Standing,
}

impl ClientTask {
    pub(crate) fn new(
        state: Arc<ClientState>,
        client: Weak<ClientInner>,
        commands: mpsc::UnboundedReceiver<Command>,
        target: Target,
        events: mpsc::UnboundedSender<QueuedEvent>,
    ) -> Self {
        let (connecting, closing, previous, standing) = (None, None, None, Standing::default());
        Self { state, client, commands, target, events, connecting, closing, previous, standing }
    }

    /// Runs until every handle was dropped.
    pub(crate) async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Connect(reply) => self.connecting = Some(reply),
                Command::Jump(target, reply) => self.retarget(target, reply),
                Command::Close(_, done) => {
                    self.set_status(Status::Offline);
                    let _ = done.send(()); // the caller may have stopped waiting
                    continue;
                }
            }
            self.stay_connected().await;
            self.end_session();
            self.set_status(Status::Offline);
            self.reply(Err(ConnectError::Cancelled));
            if let Some(done) = self.closing.take() {
                let _ = done.send(());
            }
        }
    }

    /// Connects again and again, from the first attempt until no other one follows.
    async fn stay_connected(&mut self) {
        self.standing = Standing::default();
        self.set_status(Status::Connecting);
        loop {
            let before = self.previous.as_ref().map(Link::progress);
            let cause = match self.attempt().await {
                Outcome::Connected { link, release, lost } => self.live(link, release, None, lost).await,
                Outcome::Resumed { link, release } => self.live(link, release, before, 0).await,
                Outcome::Failed(error) => Cause::AttemptFailed(error),
                Outcome::Interrupted(interruption) => Cause::Interrupted(interruption),
            };
            let mut next = self.next_attempt(&cause);
            if let Cause::AttemptFailed(error) = cause {
                self.report_failure(error, &next);
            }
            if let NextAttempt::Later(hint) = next {
                match self.wait(hint).await {
                    Ok(()) => {
                        self.standing.failures = self.standing.failures.saturating_add(1);
                        continue;
                    }
                    Err(interruption) => next = interruption.next_attempt(),
                }
            }
            if next == NextAttempt::Never {
                return;
            }
            self.standing.failures = 0;
            self.end_session();
            self.set_status(Status::Connecting);
        }
    }

    fn next_attempt(&self, cause: &Cause) -> NextAttempt {
        let options = &self.state.options;
        // Where the predicate panics, the list decides.
        let ask = |give_up_on: &GiveUpOn, error| catch_unwind(AssertUnwindSafe(|| give_up_on(error))).ok();
        let gives_up = match (cause.question(), &options.give_up_on) {
            (Some(error), Some(give_up_on)) if options.reconnect.is_some() => ask(give_up_on, error),
            _ => None,
        };
        next_attempt(cause, self.standing, gives_up, options.reconnect.as_ref(), &options.spoken.protocol)
    }

    async fn attempt(&mut self) -> Outcome {
        // The attempt borrows the previous link, while this task still takes commands.
        let mut previous = self.previous.take();
        if let Some(previous) = &mut previous {
            previous.catch_up().await;
        }
        let attempt = Attempt {
            state: self.state.clone(),
            client: self.client.clone(),
            events: self.events.clone(),
            target: self.target.clone(),
            previous: &mut previous,
        };
        let outcome = self.unless_interrupted(attempt.run()).await.unwrap_or_else(Outcome::Interrupted);
        self.previous = previous;
        outcome
    }

    /// Follows a connection from the welcome until it is lost or closed. `before` is how far the session
    /// was that it resumes.
    async fn live(
        &mut self,
        mut link: Link,
        release: oneshot::Sender<()>,
        before: Option<(u64, u64)>,
        lost: u64,
    ) -> Cause {
        let (since, resumed) = (Instant::now(), before.is_some());
        self.standing.welcomed = true;
        self.set_status(Status::Ready);
        let welcome = self.state.welcome();
        self.queue_event(ClientEvent::Ready { welcome, resumed, lost }, Some(release));
        self.reply(Ok(()));
        let (closed, interruption) = match self.unless_interrupted(link.disconnected()).await {
            Ok(closed) => (closed, None),
            Err(interruption) => (link.close(interruption.closed()).await, Some(interruption)),
        };
        if interruption.is_none() {
            let (code, lasted, progressed) = (closed.code, since.elapsed(), before != Some(link.progress()));
            let course = Course { resumed, progressed, waiting: link.is_waiting(), code, lasted };
            self.standing = self.standing.after(course, &self.backoff());
        }
        if self.standing.gives_session_up() {
            link.abort(); // the next welcome tells how much of it is lost
        }
        self.previous = Some(link);
        self.queue_event(ClientEvent::Closed(closed.clone()), None);
        let ended = || Cause::ConnectionEnded(ConnectError::ended(closed, &self.state.options.spoken.protocol));
        interruption.map_or_else(ended, Cause::Interrupted)
    }

    /// Waits for the time of the next attempt.
    async fn wait(&mut self, hint: Hint) -> Result<(), Interruption> {
        self.set_status(Status::ReConnecting);
        let wait = hint.wait(&self.backoff(), self.standing.failures, rand::random());
        self.unless_interrupted(tokio::time::sleep(wait)).await
    }

    /// Runs a future to its end, unless a command cancels it, or the `connect` or `jump` that waits for
    /// it was dropped.
    async fn unless_interrupted<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Interruption> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased; // the next `connect` comes after the end of one that was dropped
                () = dropped(&mut self.connecting) => return Err(Interruption::Close(Reason::default())),
                command = self.commands.recv() => {
                    if let Some(interruption) = self.handle_command(command) {
                        return Err(interruption);
                    }
                }
                done = &mut future => return Ok(done),
            }
        }
    }

    /// Does what a command asks for besides the interruption. No command means that every handle was
    /// dropped.
    fn handle_command(&mut self, command: Option<Command>) -> Option<Interruption> {
        match command {
            Some(Command::Connect(reply)) => {
                let _ = reply.send(Err(ConnectError::AlreadyConnected));
                None
            }
            Some(Command::Jump(target, reply)) => {
                self.retarget(target, reply);
                Some(Interruption::Jump)
            }
            Some(Command::Close(reason, done)) => {
                self.closing = Some(done);
                Some(Interruption::Close(reason))
            }
            None => Some(Interruption::Close(Reason::default())),
        }
    }

    fn retarget(&mut self, target: Target, reply: Reply) {
        self.reply(Err(ConnectError::Cancelled));
        self.state.set_url(&target.url);
        let welcomed = self.standing.welcomed && target.url == self.target.url;
        self.standing = Standing { welcomed, ..Standing::default() };
        (self.target, self.connecting) = (target, Some(reply));
    }

    /// Ends the session of the last connection. The next welcome still tells how much it has lost.
    fn end_session(&mut self) {
        if let Some(previous) = &mut self.previous {
            previous.abort();
        }
    }

    fn backoff(&self) -> Backoff {
        self.state.options.reconnect.unwrap_or_default()
    }

    /// Tells the application and the log of an attempt that failed.
    fn report_failure(&mut self, error: ConnectError, next: &NextAttempt) {
        if let Some(closed) = error.closed() {
            self.queue_event(ClientEvent::Closed(closed.clone()), None);
        }
        if matches!(next, NextAttempt::Later(_)) {
            tracing::info!(%error, "connect attempt failed, retrying");
        } else if self.connecting.is_some() {
            self.reply(Err(error));
        } else {
            tracing::warn!(%error, "reconnect failed, giving up");
            let code = error.code();
            let mut error = RpError::from(error);
            code.clone_into(&mut error.code);
            self.queue_event(ClientEvent::Error { code, name: None, error: Arc::new(error) }, None);
        }
    }

    fn reply(&mut self, result: Result<(), ConnectError>) {
        if let Some(connecting) = self.connecting.take() {
            let _ = connecting.send(result); // the caller may have stopped waiting
        }
    }

    fn set_status(&self, status: Status) {
        let change = |now: &mut Status| std::mem::replace(now, status) != status;
        if self.state.status.send_if_modified(change) {
            self.queue_event(ClientEvent::Status(status), None);
        }
    }

    /// Queues an event. `handled` is told when its listeners have finished, at once if there are none.
    fn queue_event(&self, event: ClientEvent, handled: Option<oneshot::Sender<()>>) {
        match self.state.listeners.happened(event) {
            Some(event) => _ = self.events.send((event, handled)), // its receiver lives as long as this task
            None => _ = handled.map(|handled| handled.send(())),
        }
    }
}

impl Drop for ClientTask {
    /// The runtime of the task may end before the client does.
    fn drop(&mut self) {
        self.state.abandon_connection();
        self.set_status(Status::Offline);
    }
}

/// Resolves when nobody waits for the welcome any more who did.
async fn dropped(connecting: &mut Option<Reply>) {
    match connecting {
        Some(reply) => reply.closed().await,
        None => std::future::pending().await,
    }
}
