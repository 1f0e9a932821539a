//! Every bound and interval with its default. None of them is read from a peer.

use std::time::{Duration, Instant};

/// Longer than any process runs, and short enough for every clock.
const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The time `wait` after `now`. A wait that is too long for the clock counts as thirty years, so that
/// no setting panics.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or_else(|| now + THIRTY_YEARS)
}

/// A duration that every connection keeps, in four bytes: milliseconds, rounded up. 49 days and more never end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period(u32);

impl Period {
    pub(crate) const ENDLESS: Self = Period(u32::MAX);

    pub(crate) fn of(duration: Duration) -> Self {
        u32::try_from(duration.as_nanos().div_ceil(1_000_000)).map_or(Self::ENDLESS, Period)
    }

    pub(crate) fn duration(self) -> Duration {
        if self.0 == Self::ENDLESS.0 { Duration::MAX } else { Duration::from_millis(self.0.into()) }
    }
}

/// Bounds and intervals of a server or client, with their defaults.
///
/// ```
/// let limits = wse_proto::Limits { conns_per_user: 3, ..Default::default() };
/// assert_eq!(limits.rpc_timeout.as_secs(), 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole HTTP upgrade request to arrive, and as long for its answer to be taken: 5 s. Then the
    /// socket is closed.
    pub http_timeout: Duration,
    /// Bytes of the HTTP upgrade request: 16 KiB; at least 8 KiB. Beyond: 431.
    pub http_bytes: usize,
    /// Time from the upgrade to the verdict, challenge included: 10 s. Zero: no bound. Then 1000
    /// `wse.auth-timeout` for a client that is silent or owes its solution, and 1013 `wse.later after=MS` where
    /// identify is still at work. The subprotocol `ws-messaging` has its own time.
    pub auth_timeout: Duration,
    /// Bytes of one message before the welcome: 16 KiB. Beyond: 1009, found on the header. Also the
    /// bytes of the messages that may wait for the welcome.
    pub auth_message_bytes: usize,
    /// Bytes of one message after the welcome: 1 MiB. Beyond: 1009, found on the header.
    pub message_bytes: usize,
    /// Fragments of one message: 1024. Beyond: 1009.
    pub fragments: usize,
    /// Solutions that one connection may try: 3. Then 1000 `wse.not-authorized`.
    pub challenges: u32,
    /// Open connections of the whole server, with a verdict or without: no bound (`usize::MAX`). Beyond:
    /// 503 with Retry-After. A session without a connection does not count.
    pub connections: usize,
    /// Connections without a verdict, of the whole server: 4096. Beyond: 503 with Retry-After. As many
    /// more, and at least 64, may be connected that have not sent their request; beyond, the oldest of
    /// them is closed.
    pub strangers: usize,
    /// Connections without a verdict from one address: 64. Beyond: 503 with Retry-After.
    pub strangers_per_address: usize,
    /// Devices of one user: 1. A newer one replaces the oldest: 1000 `wse.clients-concurrency`.
    pub conns_per_user: usize,
    /// Rooms that one device is in: 128, and as many whose presence it is told. Beyond: `JoinError::TooMany`.
    pub rooms_per_conn: usize,
    /// How long a user counts as away whose last device has left without a goodbye: 15 s. Zero: not at all.
    pub presence_grace: Duration,
    /// Handlers running for one connection: 64. Further messages and calls wait in its inbox.
    pub handlers_per_conn: usize,
    /// Bytes waiting in the inbox of one connection: 256 KiB. Beyond, its socket is not read. While the
    /// application waits for an answer or a receipt of that peer, eight times as many may wait; beyond, a
    /// connection whose handlers all wait for its peer is closed: 1013 `wse.slow: answers are behind
    /// more messages than may wait`.
    pub inbox_bytes: usize,
    /// Own calls in flight on one connection: 1024. Beyond: the caller gets `Busy`.
    pub calls_per_conn: usize,
    /// Bytes queued for one connection: 1 MiB. Beyond, its peer has [`slow_timeout`](Limits::slow_timeout) to
    /// read what is too much; else it is closed as slow: 1013 `wse.slow`. No single frame may be larger.
    pub queue_bytes: usize,
    /// Bytes queued for one connection at the most: 8 MiB; at least `queue_bytes`. Beyond, it is closed as
    /// slow at once.
    pub queue_bytes_max: usize,
    /// Bytes that are queued for all connections of a server beyond their `queue_bytes`: 256 MiB. Beyond,
    /// the connection with the most of them is closed as slow at once.
    pub queued_bytes: usize,
    /// How long more than `queue_bytes` may be queued for one connection: 2 s. Zero: not at all.
    pub slow_timeout: Duration,
    /// Time for the answer to a call: 20 s. Then the caller gets `TimedOut`.
    pub rpc_timeout: Duration,
    /// Silence of a peer after which it is pinged: 25 s. Zero: never. A peer whose socket is not read,
    /// because its inbox is full, is pinged but does not count as silent.
    pub ping_interval: Duration,
    /// Silence after the ping: 10 s. Then the connection is cut.
    pub ping_timeout: Duration,
    /// Time for the peer to answer a close frame: 2 s. Then the connection is cut.
    pub close_timeout: Duration,
    /// How long a session is kept after its connection was lost: 60 s. Zero: there are no sessions.
    /// A client keeps its session as long as the server says.
    pub resume_window: Duration,
    /// Bytes sent in one session that the peer has not acknowledged, and 64 more for each frame: 1 MiB.
    /// Beyond, the session ends if its connection is lost before all of that is acknowledged; a session
    /// without a connection ends at once.
    pub session_bytes: usize,
    /// Bytes of all sessions of a server whose connections are lost, and 4 KiB more for each: 64 MiB.
    /// Beyond, the session that lost its connection first ends.
    pub parked_bytes: usize,
    /// Handshakes in a second that a server can take: 1000; at least 1. A shutdown and a recall spread
    /// the ends of connections over time and tell each client when to come back, so that the returns stay
    /// a tenth below this rate. So does a server for the clients that its identify has failed for. The server
    /// refuses no client over it.
    pub returns_per_second: u32,
    /// A client's time for one attempt to connect, from the dial to the welcome: 10 s. On the
    /// subprotocol `ws-messaging` its auth timeout is added.
    pub connect_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http_timeout: Duration::from_secs(5),
            http_bytes: 16 << 10,
            auth_timeout: Duration::from_secs(10),
            auth_message_bytes: 16 << 10,
            message_bytes: 1 << 20,
            fragments: 1024,
            challenges: 3,
            connections: usize::MAX,
            strangers: 4096,
            strangers_per_address: 64,
            conns_per_user: 1,
            rooms_per_conn: 128,
            presence_grace: Duration::from_secs(15),
            handlers_per_conn: 64,
            inbox_bytes: 256 << 10,
            calls_per_conn: 1024,
            queue_bytes: 1 << 20,
            queue_bytes_max: 8 << 20,
            queued_bytes: 256 << 20,
            slow_timeout: Duration::from_secs(2),
            rpc_timeout: Duration::from_secs(20),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            resume_window: Duration::from_secs(60),
            session_bytes: 1 << 20,
            parked_bytes: 64 << 20,
            returns_per_second: 1000,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The same limits, with every setting moved to its nearest possible value: a duration is at most
    /// thirty years, since a clock cannot hold every duration; a user has at least one device and a
    /// connection at least one handler; an upgrade request may have at least 8 KiB; at least one client
    /// a second may come back; `queue_bytes_max` is at least `queue_bytes`.
    pub fn within_reason(mut self) -> Self {
        for duration in [
            &mut self.http_timeout,
            &mut self.auth_timeout,
            &mut self.rpc_timeout,
            &mut self.ping_interval,
            &mut self.ping_timeout,
            &mut self.close_timeout,
            &mut self.slow_timeout,
            &mut self.resume_window,
            &mut self.presence_grace,
            &mut self.connect_timeout,
        ] {
            *duration = THIRTY_YEARS.min(*duration);
        }
        self.conns_per_user = self.conns_per_user.max(1);
        self.handlers_per_conn = self.handlers_per_conn.max(1);
        self.returns_per_second = self.returns_per_second.max(1);
        self.http_bytes = self.http_bytes.max(8 << 10);
        self.queue_bytes_max = self.queue_bytes_max.max(self.queue_bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_goes_beyond_reason_and_the_defaults_are_within_it() {
        assert_eq!(Limits::default().within_reason(), Limits::default());
        let wild =
            Limits { close_timeout: Duration::MAX, handlers_per_conn: 0, conns_per_user: 0, ..Limits::default() };
        assert_eq!(Limits { returns_per_second: 0, ..wild.clone() }.within_reason().returns_per_second, 1);
        assert_eq!(Limits { queue_bytes: 9 << 20, ..wild.clone() }.within_reason().queue_bytes_max, 9 << 20);
        let tame = wild.within_reason();
        assert_eq!((tame.close_timeout, tame.handlers_per_conn, tame.conns_per_user), (THIRTY_YEARS, 1, 1));
    }
}
