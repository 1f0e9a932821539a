//! A mark in every secret of a test, and the places where the test looks for it.

use std::{
    fmt::Debug,
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// The mark. Every secret begins with it.
pub const MARK: &str = "S3CRET";

/// Whether a text shows the mark, as text or as the numbers of its bytes.
pub fn leaks(line: &str) -> bool {
    let numbers = format!("{:?}", MARK.as_bytes());
    line.contains(MARK) || line.contains(numbers.trim_matches(['[', ']']))
}

/// Every line that was logged, and every `Debug` form that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while logging").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Seen {
    type Writer = Seen;

    fn make_writer(&'a self) -> Seen {
        self.clone()
    }
}

impl Seen {
    /// Everything so far, line by line.
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("no panic while logging").clone();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// The same, and forgets it.
    pub fn take(&self) -> Vec<String> {
        let lines = self.lines();
        self.0.lock().expect("no panic while logging").clear();
        lines
    }

    /// Keeps the `Debug` form of a value.
    pub fn show(&self, what: &str, value: &dyn Debug) {
        let line = format!("{what}: {value:?} {value:#?}").replace('\n', " ");
        let _ = io::Write::write_all(&mut self.clone(), (line + "\n").as_bytes());
    }
}

/// A secret: the mark and something behind it.
pub fn secret(what: &str) -> String {
    format!("{MARK} {what}")
}
