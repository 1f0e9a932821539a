//! The id of one handler or listener, and the counter that makes it unique in the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the next handler or listener. It only grows, so numbers also tell who was added
/// before whom.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Names one handler of a message or one listener of events, so that `off` can remove it. Unique in
/// the process.
///
/// ```
/// # fn example(server: wse::Server) {
/// let id = server.on("say", async |_, text: String| Ok(println!("{text}")));
/// assert!(server.off(&id));
/// assert!(!server.off(&id));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId {
    /// The name of the message; `None` for a listener of events.
    pub(super) message: Option<Box<str>>,
    pub(super) number: u64,
}

impl HandlerId {
    /// A new id for a handler of that message.
    pub(super) fn of_message(name: &str) -> Self {
        Self { message: Some(name.into()), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// A new id for a listener of events.
    pub(super) fn of_listener() -> Self {
        Self { message: None, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

/// The number that the next handler or listener gets: all that exist have smaller ones.
pub(super) fn next_number() -> u64 {
    NEXT.load(Ordering::Relaxed)
}
