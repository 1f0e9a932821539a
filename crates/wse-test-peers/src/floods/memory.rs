//! The memory of this process, as the operating system sees it. It is measured on Linux only; elsewhere
//! nothing grows.

use std::fs;

/// The most memory that this process has held since a moment, beyond what it held then.
#[derive(Debug)]
pub struct Growth {
    held: usize,
    reserved: usize,
}

impl Growth {
    /// Measures from now on.
    pub fn begin() -> Self {
        // Forgets the highest mark so far; where that is not allowed, it is a little too high.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Growth { held: status("VmRSS:"), reserved: status("VmData:") }
    }

    /// Bytes.
    pub fn most(&self) -> usize {
        status("VmHWM:").saturating_sub(self.held)
    }

    /// Bytes at this moment, with those that were asked for and never written to.
    pub fn reserved(&self) -> usize {
        status("VmData:").saturating_sub(self.reserved)
    }
}

/// A line of this process's status, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.map_or(0, |kib| kib << 10)
}
