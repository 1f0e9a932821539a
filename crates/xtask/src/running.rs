//! `Running`: a child process with a time limit, its output read line by line.
//! Dropping the handle ends the child and the child's own children.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::screen;

/// A started child. Its stdin is empty; stdout and stderr are one stream, in the order written.
pub(crate) struct Running {
    child: Child,
    lines: Option<Receiver<String>>,
    what: String,
}

impl Running {
    /// Starts the command and reads what it says, see [`Running::line`].
    pub(crate) fn start(mut command: Command) -> Result<Running, String> {
        let (reader, writer) = std::io::pipe().map_err(|e| format!("no pipe: {e}"))?;
        let copy = writer.try_clone().map_err(|e| format!("no pipe: {e}"))?;
        command.stdout(copy).stderr(writer);
        let mut running = Running::spawn(command)?;
        running.lines = Some(lines_of(reader));
        Ok(running)
    }

    /// Starts the command with everything it says going to a file.
    pub(crate) fn start_into(mut command: Command, log: File) -> Result<Running, String> {
        let copy = log.try_clone().map_err(|e| format!("cannot share the log: {e}"))?;
        command.stdout(copy).stderr(log);
        Running::spawn(command)
    }

    /// Takes the command by value: its ends of the pipes close here, so the reader sees the end.
    fn spawn(mut command: Command) -> Result<Running, String> {
        let what = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().map_err(|e| format!("cannot start {what}: {e}"))?;
        Ok(Running { child, lines: None, what })
    }

    /// The next line, `None` when the child has closed its output; an error when time is up.
    pub(crate) fn line(&mut self, until: Instant) -> Result<Option<String>, String> {
        let Some(lines) = &self.lines else { return Ok(None) };
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("{} took too long and was stopped", self.what)),
        }
    }

    /// Reads on until the child says `ready ADDRESS`.
    pub(crate) fn ready(&mut self, until: Instant) -> Result<String, String> {
        let mut last = String::from("it said nothing");
        while let Some(line) = self.line(until)? {
            if let Some(address) = line.strip_prefix("ready ") {
                return Ok(address.trim().to_owned());
            }
            if !line.trim().is_empty() {
                last = line;
            }
        }
        Err(format!("{} ended before it was ready: {last}", self.what))
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the child's end.
    pub(crate) fn wait(&mut self, until: Instant) -> Result<ExitStatus, String> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err(format!("{} took too long and was stopped", self.what)),
                Err(e) => return Err(format!("cannot wait for {}: {e}", self.what)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        let below = descendants(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !below.is_empty() {
            let mut kill = Command::new("kill");
            kill.arg("-KILL").args(below.iter().map(u32::to_string)).stderr(Stdio::null());
            let _ = kill.status();
        }
    }
}

/// Runs a command to its end, shows every line as it comes and hands it on.
pub(crate) fn tee(command: Command, limit: Duration, mut each: impl FnMut(&str)) -> Result<ExitStatus, String> {
    let until = Instant::now() + limit;
    let mut running = Running::start(command)?;
    while let Some(line) = running.line(until)? {
        screen::say(&line);
        each(&line);
    }
    running.wait(until)
}

/// Runs a command quietly to its end and returns all it said, when it succeeds.
pub(crate) fn output_of(command: Command, limit: Duration) -> Result<String, String> {
    let until = Instant::now() + limit;
    let mut running = Running::start(command)?;
    let mut text = String::new();
    while let Some(line) = running.line(until)? {
        text.push_str(&line);
        text.push('\n');
    }
    let status = running.wait(until)?;
    if status.success() {
        return Ok(text);
    }
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("{} ended with {status}: {}", running.what, last.trim()))
}

/// Reads the pipe to its end on a thread of its own, so that the child is never held up.
fn lines_of(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            let line = String::from_utf8_lossy(&bytes);
            if sender.send(line.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    lines
}

/// The processes below this one, where there is a `/proc` to ask; nothing elsewhere.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let family: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // "pid (name) state ppid ...", and the name may hold anything
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(family.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn both_streams_arrive_in_the_order_written() {
        let text = output_of(shell("echo a; echo b >&2; echo c"), Duration::from_secs(20));
        assert_eq!(text.unwrap(), "a\nb\nc\n");
    }

    #[test]
    fn a_failed_command_is_told_by_its_last_line() {
        let why = output_of(shell("echo first; echo sorry >&2; exit 3"), Duration::from_secs(20));
        assert!(why.unwrap_err().ends_with("3: sorry"));
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error_and_not_a_panic() {
        let why = output_of(Command::new("no-such-program-here"), Duration::from_secs(1));
        assert!(why.unwrap_err().contains("cannot start no-such-program-here"));
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_and_broken_when_it_ends_first() {
        let server = |script: &str| Running::start(shell(script)).unwrap();
        let address = server("echo hello; echo ready 127.0.0.1:5; sleep 20").ready(soon());
        assert_eq!(address.unwrap(), "127.0.0.1:5");
        assert!(server("echo no such port; exit 1").ready(soon()).unwrap_err().ends_with("no such port"));
    }

    #[test]
    fn a_child_over_its_limit_is_ended_with_its_own_children() {
        let mut running = Running::start(shell("sleep 300 & echo $!; sleep 300; true")).unwrap();
        let grandchild: u32 = running.line(soon()).unwrap().unwrap().parse().unwrap();
        assert!(running.line(Instant::now() + Duration::from_millis(50)).is_err());
        drop(running);
        let stat = format!("/proc/{grandchild}/stat");
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z")) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
