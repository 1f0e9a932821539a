//! Starts NATS and Redis servers, alone and three of them as one cluster.

use crate::bus::engine::{Process, free_port};
use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long servers may take to find one another, on a busy machine.
const TOGETHER: Duration = Duration::from_secs(30);

/// A program that `cargo xtask test cluster` has installed below the build output.
pub fn built(name: &str) -> PathBuf {
    // This program is target/debug/deps/…, the engines are target/engines/….
    let test = env::current_exe().expect("a test binary");
    let target = test.ancestors().nth(3).expect("a target folder");
    target.join("engines").join(name)
}

/// NATS servers.
#[derive(Debug)]
pub struct NatsServers {
    /// The servers.
    pub servers: Vec<Process>,
    /// The port of each.
    pub ports: Vec<u16>,
}

/// Starts so many NATS servers, as one cluster if there are several, each with these options besides.
pub fn nats(program: &str, count: usize, options: &[&str]) -> NatsServers {
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let routes: Vec<String> = (0..count).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
    let servers = ports.iter().zip(&routes).map(|(port, route)| {
        let port_text = port.to_string();
        let mut arguments = vec!["-a", "127.0.0.1", "-p", &port_text];
        if count > 1 {
            arguments.extend(["--cluster_name", "t", "--cluster", route, "--routes", &routes[0]]);
        }
        Process::start(program, &[&arguments, options].concat(), *port)
    });
    NatsServers { servers: servers.collect(), ports }
}

/// Redis servers.
#[derive(Debug)]
pub struct RedisServers {
    /// The servers.
    pub servers: Vec<Process>,
    /// The port of each.
    pub ports: Vec<u16>,
    folder: PathBuf,
}

/// Starts so many Redis servers, as one Redis Cluster if there are several, each with these options besides: of
/// masters alone, or from six on of masters with a replica each.
pub fn redis(program: &str, count: usize, options: &[&str]) -> RedisServers {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("wse-redis-{}-{number}", std::process::id()));
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let servers = ports.iter().map(|port| {
        let own = folder.join(port.to_string());
        fs::create_dir_all(&own).expect("a folder");
        let (port_text, own) = (port.to_string(), own.display().to_string());
        let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--dir", &own];
        arguments.extend(["--appendonly", "no"]);
        let bus = free_port().to_string();
        if count > 1 {
            arguments.extend(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus]);
        }
        Process::start(program, &[&arguments, options].concat(), *port)
    });
    let servers = RedisServers { servers: servers.collect(), ports: ports.clone(), folder };
    if count > 1 {
        servers.unite();
    }
    servers
}

impl RedisServers {
    /// Makes one Redis Cluster of the servers, and waits until all of them say so.
    fn unite(&self) {
        let addresses: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut create = Command::new("redis-cli");
        let replicas = if addresses.len() < 6 { "0" } else { "1" };
        create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", replicas, "--cluster-yes"]);
        let created = create.output().expect("redis-cli");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        self.united();
    }

    /// Waits until each server says that the cluster works.
    pub fn united(&self) {
        let start = Instant::now();
        while !self.ports.iter().all(|port| self.cli(*port, &["cluster", "info"]).contains("cluster_state:ok")) {
            assert!(start.elapsed() < TOGETHER, "the servers do not become one cluster");
            sleep(Duration::from_millis(50));
        }
    }

    /// What `redis-cli` says to a command.
    pub fn cli(&self, port: u16, command: &[&str]) -> String {
        let said = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output().expect("redis-cli");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

impl Drop for RedisServers {
    fn drop(&mut self) {
        self.servers.clear(); // before their folders
        let _ = fs::remove_dir_all(&self.folder);
    }
}
