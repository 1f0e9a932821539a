//! Why connections end: the reason, and the close code with its reason. A reason must not
//! hold a text that is not meant for the peer.

use crate::closing::wait;
use std::{borrow::Cow, fmt, time::Duration};

/// The text before the milliseconds in a reason.
const AFTER: &str = "after=";

/// The text of a close frame that one side chose, at most 123 bytes on the wire (RFC 6455
/// section 5.5); a longer one is cut at a character.
///
/// `Reason::default()` means the default of the method that takes it.
///
/// ```
/// use wse_proto::Reason;
///
/// assert_eq!(Reason::BY_SERVER.as_str(), "wse.by-server");
/// assert_eq!(Reason::from("banned").as_str(), "banned");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason(Option<Cow<'static, str>>);

impl Reason {
    /// The client closed: its default.
    pub const BY_CLIENT: Reason = Reason::known("wse.by-client");
    /// The server dropped the connection: its default.
    pub const BY_SERVER: Reason = Reason::known("wse.by-server");
    /// The application refused the client.
    pub const NOT_AUTHORIZED: Reason = Reason::known("wse.not-authorized");
    /// The identity of the client has ended, and it has no other.
    pub const IDENTITY_EXPIRED: Reason = Reason::known("wse.identity-expired");
    /// The application has revoked the device.
    pub const REVOKED: Reason = Reason::known("wse.revoked");
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Reason = Reason::known("wse.protocol-error");
    /// A newer device of the same user took this one's place.
    pub const CLIENTS_CONCURRENCY: Reason = Reason::known("wse.clients-concurrency");
    /// The client has not done its part of the authentication in time.
    pub const AUTH_TIMEOUT: Reason = Reason::known("wse.auth-timeout");
    /// The application could not decide about the client: the first word of [`Closed::later_after`].
    pub const LATER: Reason = Reason::known("wse.later");
    /// The peer does not read what it is sent, or the server cannot keep up.
    pub const SLOW: Reason = Reason::known("wse.slow");
    /// The peer has sent more messages before its answers than may wait.
    pub const ANSWERS_BEHIND: Reason = Reason::known("wse.slow: answers are behind more messages than may wait");
    /// The server restarts: the first word of [`Closed::restart`].
    pub const RESTART: Reason = Reason::known("wse.restart");
    /// The session of the client is at another server: the first word of [`Closed::moved`].
    pub const MOVED: Reason = Reason::known("wse.moved");
    /// The peer did not answer a ping.
    pub const SILENT: Reason = Reason::known("wse.silent");
    /// The client jumps to another server.
    pub const JUMP: Reason = Reason::known("jump");

    const fn known(text: &'static str) -> Self {
        Reason(Some(Cow::Borrowed(text)))
    }

    /// This reason, or `default` where no text was chosen.
    pub fn or(self, default: Reason) -> Reason {
        if self.0.is_some() { self } else { default }
    }

    /// The text; empty where none was chosen.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Reason(Some(Cow::Owned(text.to_owned())))
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Reason(Some(Cow::Owned(text)))
    }
}

/// How a connection ended: the code (RFC 6455 section 7.4) and the reason.
///
/// 1005 means a close frame without a code, 1006 an end without a close frame.
///
/// ```
/// use wse_proto::{Closed, Reason};
///
/// let closed = Closed::normal(Reason::BY_CLIENT);
/// assert_eq!(closed.to_string(), "1000 wse.by-client");
/// assert!(!closed.is_temporary());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code.
    pub code: u16,
    /// The reason; empty when there was none.
    pub reason: Reason,
}

impl Closed {
    /// A normal close, 1000: the reason carries the meaning.
    pub fn normal(reason: Reason) -> Self {
        Closed { code: 1000, reason }
    }

    /// An end without a close frame, 1006.
    pub fn broken(reason: Reason) -> Self {
        Closed { code: 1006, reason }
    }

    /// The peer broke the protocol: 1000 `wse.protocol-error`.
    pub fn protocol_error() -> Self {
        Closed::normal(Reason::PROTOCOL_ERROR)
    }

    /// The peer broke the protocol, and is told how: 1000 `wse.protocol-error: ` and the text.
    pub fn protocol_error_with(text: &str) -> Self {
        Closed::normal(format!("{}: {text}", Reason::PROTOCOL_ERROR.as_str()).into())
    }

    /// Whether a peer broke the protocol: 1000 `wse.protocol-error`, whatever follows that.
    pub fn is_protocol_error(&self) -> bool {
        let rest = self.reason.as_str().strip_prefix(Reason::PROTOCOL_ERROR.as_str());
        self.code == 1000 && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    /// The application refused the client: 1000 `wse.not-authorized`.
    pub fn not_authorized() -> Self {
        Closed::normal(Reason::NOT_AUTHORIZED)
    }

    /// The client has not done its part of the authentication in time: 1000 `wse.auth-timeout`.
    pub fn auth_timeout() -> Self {
        Closed::normal(Reason::AUTH_TIMEOUT)
    }

    /// The application has not decided about the client in time: 1013 `wse.later`. A server adds when to
    /// come back.
    pub fn later() -> Self {
        Closed { code: 1013, reason: Reason::LATER }
    }

    /// The application could not decide about the client, whose turn to come back is after that time: 1013
    /// `wse.later after=MS`, in milliseconds from the end of this connection.
    pub fn later_after(after: Duration) -> Self {
        Closed { code: 1013, reason: told(Reason::LATER, after) }
    }

    /// The peer is too slow, or the server overloaded: 1013 `wse.slow`.
    pub fn slow() -> Self {
        Closed { code: 1013, reason: Reason::SLOW }
    }

    /// The handlers wait for answers that the peer has sent behind more messages than may wait: 1013
    /// `wse.slow: answers are behind more messages than may wait`.
    pub fn answers_behind() -> Self {
        Closed { code: 1013, reason: Reason::ANSWERS_BEHIND }
    }

    /// The server restarts, and this client's turn to come back is after that time: 1012
    /// `wse.restart after=MS`, in milliseconds from the end of this connection.
    pub fn restart(after: Duration) -> Self {
        Closed { code: 1012, reason: told(Reason::RESTART, after) }
    }

    /// The server stops, and the session is at another server of its cluster. This client's turn to come back is after
    /// that time: 1012 `wse.moved after=MS`. It is the one close frame of a server that does not end the session.
    pub fn moved(after: Duration) -> Self {
        Closed { code: 1012, reason: told(Reason::MOVED, after) }
    }

    /// Whether it says that the session is at another server: 1012, and `wse.moved` the first word of the reason.
    pub fn is_moved(&self) -> bool {
        self.code == 1012 && self.reason.as_str().split(' ').next() == Some(Reason::MOVED.as_str())
    }

    /// When to come back, where the server says so: `after=MS` among the words of the reason of a 1012 or
    /// 1013. Other words are ignored. More than 5 minutes count as 5 minutes.
    pub fn after(&self) -> Option<Duration> {
        if !matches!(self.code, 1012 | 1013) {
            return None;
        }
        let mut words = self.reason.as_str().split(' ').filter_map(|word| word.strip_prefix(AFTER));
        words.find_map(|digits| wait::read(digits, Duration::from_millis))
    }

    /// The peer did not answer a ping: 1006 `wse.silent`. No close frame is sent.
    pub fn silent() -> Self {
        Closed::broken(Reason::SILENT)
    }

    /// The client leaves for another server: 4000 `jump`.
    pub fn jump() -> Self {
        Closed { code: 4000, reason: Reason::JUMP }
    }

    /// Whether a client that reconnects tries again after this end of an attempt, before any server has
    /// welcomed it. After 1005, 1006, 1011 to 1014 and 4000 it does; every other code ends it.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, 1005 | 1006 | 1011..=1014 | 4000)
    }

    /// Whether a client that was welcomed before stays away after this end: after a verdict (1000 with
    /// any reason) and a broken protocol (1002, 1003, 1007 to 1010). Every other code passes by itself,
    /// that of a proxy too.
    pub fn is_final(&self) -> bool {
        matches!(self.code, 1000 | 1002 | 1003 | 1007..=1010)
    }

    /// Whether a client keeps its session when a close frame says this: the session [has moved](Self::is_moved), or no
    /// server of the protocol ends a session with that code, so it is the code of a proxy, and the server still has
    /// the session.
    pub fn spares_session(&self) -> bool {
        self.is_moved() || !self.is_final() && !matches!(self.code, 1005 | 1012 | 1013 | 4000)
    }

    /// Whether this is the server's refusal of an identity or a solution: 1000 `wse.not-authorized`.
    pub fn is_refusal(&self) -> bool {
        *self == Closed::not_authorized()
    }
}

/// A reason that says when to come back.
fn told(word: Reason, after: Duration) -> Reason {
    format!("{} {AFTER}{}", word.as_str(), after.as_millis()).into()
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "{}", self.code),
            reason => write!(f, "{} {reason}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_returns_after_these_codes_only() {
        let temporary = [1005, 1006, 1011, 1012, 1013, 1014, 4000];
        for code in 1000..5000 {
            let closed = Closed { code, reason: Reason::default() };
            assert_eq!(closed.is_temporary(), temporary.contains(&code), "{code}");
        }
    }

    #[test]
    fn a_client_that_was_welcomed_stays_away_after_these_codes_only() {
        let last = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
        for code in 1000..5000 {
            let closed = Closed { code, reason: Reason::default() };
            assert_eq!(closed.is_final(), last.contains(&code), "{code}");
            assert!(!(closed.is_final() && closed.is_temporary()), "{code}");
        }
    }

    #[test]
    fn the_codes_of_a_proxy_spare_the_session_and_those_of_a_server_do_not() {
        for (code, spares) in [(1001, true), (1011, true), (1014, true), (1015, true), (3000, true), (4999, true)]
            .into_iter()
            .chain([1000, 1002, 1005, 1008, 1009, 1012, 1013, 4000].map(|code| (code, false)))
        {
            assert_eq!(Closed { code, reason: Reason::default() }.spares_session(), spares, "{code}");
        }
    }

    #[test]
    fn a_session_that_has_moved_is_spared_and_comes_back_in_its_turn() {
        let moved = Closed::moved(Duration::from_millis(1500));
        assert_eq!(
            (moved.to_string(), moved.after()),
            ("1012 wse.moved after=1500".into(), Some(Duration::from_millis(1500)))
        );
        assert!(moved.is_moved() && moved.spares_session() && moved.is_temporary());
        for other in ["", "wse.restart after=1500", "wse.movedafter", "not wse.moved"] {
            let closed = Closed { code: 1012, reason: other.into() };
            assert!(!closed.is_moved() && !closed.spares_session(), "{other}");
        }
        assert!(!Closed { code: 1000, ..moved }.is_moved());
    }

    #[test]
    fn a_default_reason_gives_way_and_a_chosen_one_stays() {
        assert_eq!(Reason::default().or(Reason::BY_SERVER).as_str(), "wse.by-server");
        assert_eq!(Reason::from("").or(Reason::BY_SERVER).as_str(), "");
        assert_eq!(Reason::from("banned").or(Reason::BY_SERVER).as_str(), "banned");
        assert_eq!(Reason::default().as_str(), "");
    }

    #[test]
    fn a_restart_and_a_later_say_when_to_come_back_and_the_client_reads_it() {
        for (millis, text) in [(0, "wse.restart after=0"), (1234, "wse.restart after=1234")] {
            let closed = Closed::restart(Duration::from_millis(millis));
            assert_eq!((closed.code, closed.reason.as_str()), (1012, text));
            assert_eq!(closed.after(), Some(Duration::from_millis(millis)));
        }
        assert_eq!(Closed::restart(Duration::from_nanos(1_999_999)).reason.as_str(), "wse.restart after=1");
        let later = Closed::later_after(Duration::from_millis(1234));
        assert_eq!((later.code, later.reason.as_str()), (1013, "wse.later after=1234"));
        assert_eq!((later.after(), later.is_temporary()), (Some(Duration::from_millis(1234)), true));
        let longest = Closed::later_after(Duration::MAX);
        assert!(longest.reason.as_str().len() < 123 && longest.after() == Some(wait::LONGEST), "{longest}");
        assert_eq!((Closed::later().after(), Closed::slow().after()), (None, None));
    }

    #[test]
    fn when_to_come_back_is_read_with_patience_and_bounded() {
        let read = |code, reason: &str| Closed { code, reason: reason.into() }.after().map(|after| after.as_millis());
        for (reason, millis) in [
            ("after=5", 5),
            ("wse.restart  after=5 for=ever", 5),
            ("maintenance until noon after=soon after=7", 7),
            ("wse.restart after=300001", 300_000),
            ("wse.restart after=99999999999999999999999999", 300_000),
        ] {
            assert_eq!(read(1012, reason), Some(millis), "{reason}");
        }
        for reason in [
            "",
            "wse.restart",
            "wse.restart after=",
            "wse.restart after=-1",
            "wse.restart after=+1",
            "after=1.5",
            "after=1ms",
            "hereafter=1",
            "after = 1",
            "AFTER=1",
            "after=\u{0661}",
            "after=\u{1f600}",
        ] {
            assert_eq!(read(1012, reason), None, "{reason}");
        }
        assert_eq!(read(1013, "wse.later after=5"), Some(5));
        for code in [1000, 1005, 1006, 1011, 1014, 4000, 4003] {
            assert_eq!(read(code, "wse.restart after=5"), None, "{code}");
        }
    }

    #[test]
    fn who_was_late_decides_whether_a_client_returns_and_only_one_end_is_a_refusal() {
        assert_eq!(
            (Closed::auth_timeout().to_string().as_str(), Closed::auth_timeout().is_temporary()),
            ("1000 wse.auth-timeout", false)
        );
        assert_eq!((Closed::later().to_string().as_str(), Closed::later().is_temporary()), ("1013 wse.later", true));
        for closed in [
            Closed::auth_timeout(),
            Closed::later(),
            Closed::protocol_error(),
            Closed::normal(Reason::BY_SERVER),
            Closed::normal(Reason::default()),
            Closed { code: 1008, reason: Reason::NOT_AUTHORIZED },
        ] {
            assert!(!closed.is_refusal(), "{closed}");
        }
        assert!(Closed::not_authorized().is_refusal());
    }

    #[test]
    fn an_end_reads_as_code_and_reason() {
        assert_eq!(Closed::slow().to_string(), "1013 wse.slow");
        assert_eq!(Closed::broken(Reason::default()).to_string(), "1006");
    }
}
