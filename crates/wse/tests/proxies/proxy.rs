//! `Proxy`: a real nginx or HAProxy as a child process, with a folder and a port of its own.
//! It ends with the test, and so do its workers.

use std::{
    fs,
    net::TcpListener as StdListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};
use tokio::net::TcpStream;
use wse_test_peers::{ask_upgrade, request};

use crate::parts::{PATIENCE, within};

/// Where the status of each answer is written, a line each.
const LOG: &str = "proxy.log";
/// How often something is looked at that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(5);

/// The two kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Nginx,
    HaProxy,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    kind: Kind,
    folder: PathBuf,
    /// Where it listens.
    pub(crate) port: u16,
    child: Child,
}

impl Proxy {
    /// An nginx with this inside of its `server`.
    pub(crate) async fn nginx(server: &str) -> Self {
        Self::start(Kind::Nginx, server).await
    }

    /// An HAProxy with these lines in its `listen`.
    pub(crate) async fn haproxy(listen: &str) -> Self {
        Self::start(Kind::HaProxy, listen).await
    }

    async fn start(kind: Kind, inside: &str) -> Self {
        let folder = new_folder();
        loop {
            let port = free_port();
            write(kind, &folder, port, inside);
            let mut child = spawn(kind, &folder);
            // Somebody else may have taken the port meanwhile; then it exits.
            if listens(&mut child, port).await {
                return Self { kind, folder, port, child };
            }
        }
    }

    /// The address for a client.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// A file in the proxy's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Gives an nginx another inside and has it reload, as an operator does. The old workers end their
    /// connections soon. Returns once the new ones answer.
    pub(crate) async fn reload(&self, inside: &str) {
        let token = format!("/reloaded-{}", unique());
        write(self.kind, &self.folder, self.port, &format!("location = {token} {{ return 204; }} {inside}"));
        signal(self.child.id(), "HUP");
        within(async {
            while self.status(&token).await != Some(204) {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }

    /// Returns once the proxy has given an answer with this status.
    pub(crate) async fn has_answered(&self, status: u16) {
        let status = status.to_string();
        self.has_logged(|line| line == status).await;
    }

    /// Returns once the proxy has logged such a line: the status of an answer, or what HAProxy says of a server.
    pub(crate) async fn has_logged(&self, is: impl Fn(&str) -> bool) {
        let log = || fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let logged = async {
            while !log().lines().any(&is) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, logged).await.unwrap_or_else(|_| panic!("not logged, but:\n{}", log()));
    }

    /// Ends the proxy at once and starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        end(&mut self.child);
        loop {
            self.child = spawn(self.kind, &self.folder);
            if listens(&mut self.child, self.port).await {
                return;
            }
        }
    }

    /// The status of the answer to an upgrade.
    pub(crate) async fn status(&self, path: &str) -> Option<u16> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        Some(ask_upgrade(stream, request(path, &[])).await.status)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.folder); // a rest of it does no harm
    }
}

/// A number that no other part of this program has.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// A folder that is short enough for the path of a Unix socket.
fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wse-{}-{}", std::process::id(), unique()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

fn write(kind: Kind, folder: &Path, port: u16, inside: &str) {
    let (name, text) = match kind {
        Kind::Nginx => ("proxy.conf", nginx_conf(port, inside)),
        Kind::HaProxy => ("proxy.cfg", haproxy_cfg(port, inside)),
    };
    fs::write(folder.join(name), text).expect("a configuration");
}

fn nginx_conf(port: u16, inside: &str) -> String {
    let paths: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("{what}_temp_path {what};\n")).concat();
    format!(
        "daemon off;\nuser root;\npid pid;\nworker_processes 1;\nworker_shutdown_timeout 50ms;\n\
         error_log error.log notice;\nevents {{ worker_connections 256; }}\nhttp {{\n{paths}\
         log_format status $status;\naccess_log {LOG} status;\n\
         map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\nproxy_http_version 1.1;\n\
         proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection $connection_upgrade;\n\
         server {{ listen 127.0.0.1:{port}; {inside} }}\n}}\n"
    )
}

fn haproxy_cfg(port: u16, inside: &str) -> String {
    format!(
        "global\n  maxconn 256\n  log stdout format raw local0\ndefaults\n  mode http\n  log global\n  log-format %ST\n\
         \x20 timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n\
         \x20 timeout tunnel 1h\n  retries 0\nlisten all\n  bind 127.0.0.1:{port}\n{inside}\n"
    )
}

fn spawn(kind: Kind, folder: &Path) -> Child {
    let mut command = match kind {
        Kind::Nginx => Command::new("/usr/sbin/nginx"),
        Kind::HaProxy => Command::new("/usr/sbin/haproxy"),
    };
    match kind {
        Kind::Nginx => command.arg("-p").arg(folder).args(["-c", "proxy.conf", "-e", "error.log"]),
        Kind::HaProxy => command.current_dir(folder).args(["-db", "-f", "proxy.cfg"]),
    };
    let log = fs::File::options().create(true).append(true).open(folder.join(LOG)).expect("a log");
    let errors = fs::File::create(folder.join("error.log")).expect("a log");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("nginx and HAProxy are installed")
}

/// Whether the child listens; it does not if it ends before.
async fn listens(child: &mut Child, port: u16) -> bool {
    within(async {
        loop {
            if child.try_wait().expect("a child").is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(sent.expect("kill").success(), "{name} to {pid}");
}

/// Ends it in good order: a killed nginx would leave its workers behind.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        signal(child.id(), "TERM");
    }
    let _ = child.wait(); // it has ended
}
