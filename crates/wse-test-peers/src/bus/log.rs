//! What a bus logs, and the libraries below it.

use crate::secrets::{Seen, leaks};
use std::fmt::Debug;
use tracing_subscriber::{
    filter::LevelFilter,
    fmt::{SubscriberBuilder, fmt},
};

/// Everything that this thread logs.
#[derive(Debug)]
pub struct Log {
    seen: Seen,
    _logging: tracing::subscriber::DefaultGuard,
}

impl Log {
    /// From now on.
    pub fn new() -> Self {
        let seen = Seen::default();
        let log: SubscriberBuilder = fmt();
        let log = log.with_ansi(false).with_max_level(LevelFilter::TRACE).with_writer(seen.clone());
        Self { seen, _logging: tracing::subscriber::set_default(log.finish()) }
    }

    /// How many lines hold that text.
    pub fn count(&self, text: &str) -> usize {
        self.seen.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// The first line that holds that text.
    pub fn line(&self, text: &str) -> String {
        self.seen.lines().into_iter().find(|line| line.contains(text)).unwrap_or_default()
    }

    /// Keeps the `Debug` form of a value among the lines.
    pub fn show(&self, value: &dyn Debug) {
        self.seen.show("value", value);
    }

    /// Asserts that no line shows a secret.
    pub fn shows_no_secret(&self) {
        for line in self.seen.lines() {
            assert!(!leaks(&line), "{line}");
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
