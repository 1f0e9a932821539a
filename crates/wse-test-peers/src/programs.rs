//! The example programs as children, driven line by line over their standard streams.

use crate::events::{Events, events};
use serde_json::Value;
use std::{env, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use wse::Client;

/// How long a program may take to say a line or to end, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// Lines that were read while another was looked for.
    passed: Vec<Value>,
}

/// The command that runs an example. It has no input, and ends when its handle is dropped.
///
/// `cargo test` builds the examples before it runs the tests; `cargo test --test` does not.
pub fn command(example: &str) -> Command {
    // This program is target/debug/deps/…, the examples are target/debug/examples/….
    let test = env::current_exe().expect("a test binary");
    let target = test.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let path = target.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not there: run `cargo build -p wse --examples`", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Program {
    /// Starts an example.
    pub fn start(example: &str, options: &[&str]) -> Self {
        Self::start_in(example, options, &[])
    }

    /// Starts an example with these variables in its environment.
    pub fn start_in(example: &str, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(example)
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { input: child.stdin.take(), child, lines, passed: Vec::new() }
    }

    /// The next line of text; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("no line came").expect("text")
    }

    /// The next line, JSON.
    pub async fn json(&mut self) -> Value {
        let line = self.line().await.expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
    }

    /// The first line that was not looked at yet and is as wanted; the others stay.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.passed.iter().position(&wanted) {
            return self.passed.remove(at);
        }
        loop {
            let line = self.json().await;
            if wanted(&line) {
                return line;
            }
            self.passed.push(line);
        }
    }

    /// The next event of that name; the lines before it stay.
    pub async fn event(&mut self, name: &str) -> Value {
        self.find(|line| line["event"] == name).await
    }

    /// Writes a command.
    pub async fn command(&mut self, command: Value) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(format!("{command}\n").as_bytes()).await.expect("the program reads");
    }

    /// Writes a command and waits for its answer.
    pub async fn ask(&mut self, command: Value) -> Value {
        let id = command["id"].clone();
        self.command(command).await;
        self.find(|line| line["id"] == id && line.get("event").is_none()).await
    }

    /// Ends the input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Asks the program to end, as an operator does.
    pub async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([format!("-{signal}"), self.id().to_string()]).status().await;
        assert!(sent.expect("kill").success());
    }

    /// The exit status, and every line that was still to come.
    pub async fn ended(mut self) -> (Option<i32>, Vec<Value>) {
        let mut rest = std::mem::take(&mut self.passed);
        while let Some(line) = self.line().await {
            rest.push(serde_json::from_str(&line).expect("JSON"));
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("a status");
        (status.code(), rest)
    }
}

/// A running testbed.
#[derive(Debug)]
pub struct Testbed {
    /// The process.
    pub program: Program,
    /// Where it listens.
    pub addr: String,
}

impl Testbed {
    /// At a port of its own, unless the options name one.
    pub async fn start(options: &[&str]) -> Self {
        let port: &[&str] = if options.contains(&"--port") { &[] } else { &["--port", "0"] };
        let mut program = Program::start("testbed", &[port, options].concat());
        let line = program.line().await.expect("a line");
        let addr = line.strip_prefix("ready ").expect("the first line says ready").to_owned();
        Self { program, addr }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    /// Terminated as by an operator: exits with 0.
    pub async fn terminate(self) -> Vec<Value> {
        self.program.signal("TERM").await;
        let (status, rest) = self.program.ended().await;
        assert_eq!(status, Some(0));
        rest
    }

    /// The status line of the answer to a request for the upgrade.
    pub async fn status_line(&self, path: &str, headers: &str) -> String {
        let mut tcp = TcpStream::connect(&self.addr).await.expect("the testbed listens");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: wse-default-json\r\n{headers}\r\n"
        );
        tcp.write_all(request.as_bytes()).await.expect("a request is taken");
        let line = tokio::time::timeout(PATIENCE, BufReader::new(tcp).lines().next_line()).await;
        line.expect("no answer came").expect("text").expect("a status line")
    }

    /// A [`Client`] that the testbed has accepted with that identity and that meta, and its events.
    pub async fn enter(&self, identity: &str, meta: Value) -> (Client, Events) {
        let (when, events) = events();
        let client = Client::builder(&self.url("/")).identity(identity).meta(&meta).when(when).connect().await;
        (client.expect("the testbed lets it in"), events)
    }
}
