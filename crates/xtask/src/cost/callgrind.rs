//! The release testbed under valgrind's callgrind, and how many instructions it has executed so far.
//! It ends with its handle.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::device::Device;
use crate::running::{Running, output_of};
use crate::workspace::Workspace;

/// The limit until it listens, and until it has nothing left to do.
const START: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// What being asked costs it at most: it wakes up for that (about 900), and finds nothing to do.
const ASKED: u64 = 3_000;

/// A testbed on one core, that sends nothing by itself: its pings are minutes apart.
pub(crate) struct Testbed {
    running: Running,
    address: SocketAddr,
    /// Its users so far. Each device is a user of its own, and all their names are of one length.
    users: usize,
}

impl Testbed {
    pub(crate) fn start(workspace: &Workspace) -> Result<Testbed, String> {
        let folder = workspace.target.join("cost");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--quiet"]);
        command.arg(format!("--callgrind-out-file={}", folder.join("callgrind.out").display()));
        command.arg(workspace.released_example("testbed"));
        command.args(["--port", "0", "--workers", "1", "--quiet", "--ping-interval", "600s"]);
        let mut running = Running::start(command)?;
        let address = running.ready(Instant::now() + START)?;
        let address = address.parse().map_err(|_| format!("`{address}` is no address"))?;
        Ok(Testbed { running, address, users: 10_000 })
    }

    /// Connects the next user.
    pub(crate) fn open(&mut self, session: bool) -> Result<Device, String> {
        self.users += 1;
        Device::open(self.address, self.users, session)
    }

    /// How many instructions it has executed, as soon as it has nothing to do.
    pub(crate) fn instructions(&mut self) -> Result<u64, String> {
        let until = Instant::now() + QUIET;
        let mut before = self.executed()?;
        while Instant::now() < until {
            thread::sleep(PAUSE);
            match self.executed()? {
                now if now - before <= ASKED => return Ok(now),
                now => before = now,
            }
        }
        Err("the testbed does not come to rest".into())
    }

    fn executed(&self) -> Result<u64, String> {
        let mut vgdb = Command::new("vgdb");
        vgdb.arg(format!("--pid={}", self.running.id())).arg("--max-invoke-ms=5").args(["status", "internal"]);
        total(&output_of(vgdb, MOMENT)?)
    }
}

/// The sum over all threads, out of lines as `events-1: 4302`. Deeper lines are parts of them.
fn total(status: &str) -> Result<u64, String> {
    let of_thread = |line: &str| {
        let (thread, count) = line.strip_prefix("events-")?.split_once(':')?;
        thread.parse::<u32>().ok()?;
        count.trim().parse::<u64>().ok()
    };
    let counts: Vec<u64> = status.lines().filter_map(of_thread).collect();
    if counts.is_empty() { Err("it tells no count".into()) } else { Ok(counts.iter().sum()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_the_sum_over_threads() {
        let status =
            "events: Ir\nthreads: 1 2\nevents-1: 40\nframes-1: 1\nevents-1-0: 39\nevents-2: 2\nevents-2-0: 2\n";
        assert_eq!(total(status), Ok(42));
        assert!(total("no such process").is_err());
    }
}
