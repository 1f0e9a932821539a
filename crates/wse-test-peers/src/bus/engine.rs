//! An engine as a child process, which a test kills, stops and starts again.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use wse::cluster::Bus;

/// How long an engine may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(20);

/// What the checks need of an engine, whatever it is.
pub trait Engine {
    /// The bus over it.
    type Bus: Bus;

    /// A bus, as an application makes it.
    fn bus(&self) -> Self::Bus;

    /// Kills so much of it that no bus works, at once and without a goodbye.
    fn kill(&mut self);

    /// Starts again what was killed, at the same addresses.
    fn restart(&mut self);

    /// Stops it without closing anything.
    fn stop(&mut self);

    /// Lets it run again.
    fn resume(&mut self);
}

/// A server in a process of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    arguments: Vec<OsString>,
    port: u16,
    child: Option<Child>,
}

/// A port of the loopback address that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Process {
    /// Starts a server that is to listen at that port of the loopback address.
    pub fn start(program: impl Into<PathBuf>, arguments: &[&str], port: u16) -> Self {
        let mut process = Self::prepare(program, arguments, port);
        process.restart();
        process
    }

    /// A server that is not started yet.
    pub fn prepare(program: impl Into<PathBuf>, arguments: &[&str], port: u16) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self { program: program.into(), arguments, port, child: None }
    }

    /// Starts it, and waits until it listens.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.child = Some(child);
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(start.elapsed() < START, "{} does not listen", self.program.display());
            sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }

    /// Stops the process; the system goes on to take connections for it.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(sent.success(), "kill {signal} {id}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
