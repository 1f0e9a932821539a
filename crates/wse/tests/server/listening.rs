//! Where a server listens: all addresses of a name, Unix sockets, and what it says when it cannot, or when
//! it cannot accept.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use wse::{Limits, ServeError, Server};
use wse_test_peers::{ask_upgrade, attach, dial, programs::command, request, server, settle, soon};

/// A path that is free, and is removed with this.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("wse-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&place);
        Place(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Connects as soon as somebody listens.
async fn connect(place: &Place) -> UnixStream {
    let connected = async {
        loop {
            match UnixStream::connect(&place.0).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    soon(connected).await
}

/// A port that is free on both loopback addresses; `None` where there is only one of them.
async fn on_both() -> Option<[SocketAddr; 2]> {
    for _ in 0..100 {
        let four = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let six = SocketAddr::new("::1".parse().unwrap(), four.port());
        match TcpListener::bind(six).await {
            Ok(_) => return Some([four, six]),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => return None,
        }
    }
    panic!("no port is free on both");
}

#[tokio::test]
async fn every_address_of_a_name_is_served_and_one_that_is_taken_is_an_error_that_names_it() {
    let Some(both) = on_both().await else { return eprintln!("skipped: there is no ::1") };
    let server = server(|builder| builder);
    let taken = TcpListener::bind(both[1]).await.unwrap();
    let error = server.listen(&both[..]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", both[1])), "{error}");
    drop(taken);
    let listening = server.clone();
    // An address that the machine does not have is left out.
    let with_one_missing = ["192.0.2.1:9".parse().unwrap(), both[0], both[1]];
    let served = tokio::spawn(async move { listening.listen(&with_one_missing[..]).await });
    for addr in both {
        let stream = soon(async {
            loop {
                match TcpStream::connect(addr).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        ask_upgrade(stream.await, request("/", &[])).await.upgraded().enter("ann").await;
        assert_eq!(server.user("ann").conns()[0].remote_addr(), Some(addr.ip()));
    }
    server.shutdown(Duration::from_secs(5)).await;
    served.await.unwrap().unwrap();
    assert!(TcpStream::connect(both[0]).await.is_err() && TcpStream::connect(both[1]).await.is_err());
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_an_error_that_names_it() {
    let server = server(|builder| builder);
    let text = |error: ServeError| error.to_string();
    let missing = text(server.listen("192.0.2.1:9").await.unwrap_err());
    assert!(missing.starts_with("cannot listen on 192.0.2.1:9: "), "{missing}");
    let no_name = text(server.listen("no.such.name.invalid:9").await.unwrap_err());
    assert!(no_name.starts_with("cannot listen on that name: "), "{no_name}");
    let path = "/no/such/folder/socket";
    let no_folder = text(server.listen_unix(path).await.unwrap_err());
    assert!(no_folder.starts_with("cannot listen on /no/such/folder/socket: "), "{no_folder}");
}

#[tokio::test]
async fn a_unix_socket_is_served_and_its_peer_is_believed_about_the_address() {
    let place = Place::new("served");
    let server = server(|builder| builder.path("/"));
    let (listening, path) = (server.clone(), place.0.clone());
    let served = tokio::spawn(async move { listening.listen_unix(path).await });
    for (headers, addr) in [(&[][..], None), (&[("X-Forwarded-For", "198.51.100.7:99")], "198.51.100.7".parse().ok())] {
        let mut peer = ask_upgrade(connect(&place).await, request("/", headers)).await.upgraded();
        peer.enter("ann").await;
        assert_eq!(server.user("ann").conns()[0].remote_addr(), addr);
    }
    server.shutdown(Duration::from_secs(5)).await;
    served.await.unwrap().unwrap();
    assert!(!place.0.exists(), "the file is removed");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_nothing_else_is() {
    let place = Place::new("stale");
    drop(UnixListener::bind(&place.0).unwrap());
    assert!(place.0.exists(), "a process that is gone leaves its file behind");
    let first = server(|builder| builder);
    let (listening, path) = (first.clone(), place.0.clone());
    let served = tokio::spawn(async move { listening.listen_unix(path).await });
    ask_upgrade(connect(&place).await, request("/", &[])).await.upgraded().enter("ann").await;
    let second = server(|builder| builder);
    let in_use = second.listen_unix(&place.0).await.unwrap_err();
    assert!(matches!(&in_use, ServeError::Listen(error) if error.kind() == std::io::ErrorKind::AddrInUse), "{in_use}");
    ask_upgrade(connect(&place).await, request("/", &[])).await.upgraded().enter("bob").await;
    // The file of another socket is not this server's to remove.
    std::fs::remove_file(&place.0).unwrap();
    let other = UnixListener::bind(&place.0).unwrap();
    first.shutdown(Duration::from_secs(5)).await;
    served.await.unwrap().unwrap();
    assert!(place.0.exists());
    drop(other);
    let file = Place::new("file");
    std::fs::write(&file.0, "precious").unwrap();
    assert!(second.listen_unix(&file.0).await.is_err());
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "precious");
}

#[tokio::test]
async fn with_a_health_path_it_listens_until_the_shutdown_is_over_and_without_until_it_begins() {
    for health in [true, false] {
        let server: Server = server(|builder| {
            let builder = builder.limits(Limits { http_timeout: Duration::from_secs(60), ..Limits::default() });
            let builder = builder.on("never", async |_, (): ()| std::future::pending().await);
            if health { builder.health("/healthz") } else { builder }
        });
        let mut peer = attach(&server);
        peer.enter("ann").await;
        peer.send("[\"never\"]").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = server.clone();
        let served = tokio::spawn(async move { serving.serve(listener).await });
        assert_eq!(dial(addr, request("/", &[])).await.status, 101);
        let down = tokio::spawn(async move { server.shutdown(Duration::from_millis(1500)).await });
        settle().await;
        if health {
            assert_eq!(dial(addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 503);
            assert_eq!(dial(addr, request("/", &[])).await.status, 503);
        } else {
            assert!(TcpStream::connect(addr).await.is_err());
        }
        down.await.unwrap();
        served.await.unwrap().unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
    }
}

#[tokio::test]
async fn a_server_without_file_descriptors_says_so_once_and_when_it_is_over() {
    let testbed = command("testbed");
    let program = testbed.as_std().get_program().to_owned();
    // A process of its own with few descriptors.
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --port 0 --quiet"])
        .arg(program)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    let addr: SocketAddr = ready.trim().strip_prefix("ready ").unwrap().parse().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut waiting = Vec::new();
    for _ in 0..60 {
        waiting.push(TcpStream::connect(addr).await.unwrap());
    }
    let said = soon(log.next_line()).await.unwrap().unwrap();
    assert!(said.contains("out of file descriptors, raise the limit of the process"), "{said}");
    waiting.clear(); // there is room again
    let over = soon(async {
        loop {
            let mut tcp = TcpStream::connect(addr).await.unwrap();
            tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let _ = tcp.read_to_end(&mut Vec::new()).await;
            if let Ok(line) = tokio::time::timeout(Duration::from_millis(200), log.next_line()).await {
                return line.unwrap().unwrap();
            }
        }
    });
    let over = over.await;
    assert!(over.contains("connections accepted again"), "{over}");
    child.kill().await.unwrap();
    assert_eq!(log.next_line().await.unwrap(), None, "each is said once");
}
