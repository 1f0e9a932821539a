//! What an idle connection owns on the heap, by its parts: measured on real sockets, printed as a table
//! (`--nocapture`), and bounded. The figures stand in docs/reference/performance.md.
//!
//! It counts the bytes that are asked for. An allocator adds 8 to 24 for each block, and a table or list that
//! grows leaves holes behind, so the memory of a process grows by 10 to 25 % more.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};
use wse::Server;
use wse_test_peers::{request, text};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// So many connections are opened, so that what is shared by all hardly counts.
const CONNS: usize = 500;

/// Bytes of one connection, without a session and with one. More than 3 % above them is a mistake, or a new
/// figure for the table.
const WITHOUT: f64 = 1533.0;
const WITH: f64 = 1751.0;

/// The parts, each with what tells it in the backtrace of an allocation; the first that fits counts.
const PARTS: [(&str, &[&str]); 12] = [
    ("its task, the connection inside", &["RawTask::new"]),
    ("its socket in tokio", &["RegistrationSet::allocate"]),
    ("its session: counts, copies, token", &["begin_session", "SentFrames", "SessionState", "token.rs"]),
    ("the registry", &["users/registry.rs"]),
    ("the list for the shutdown", &["server/shutdown.rs"]),
    ("the set of running handlers", &["futures_unordered"]),
    ("its timer", &["time::sleep::Sleep"]),
    ("its handle, shared with those who send", &["of_server"]),
    ("its stream", &["open_connections::Counted"]),
    ("its `Conn`, shared with handlers", &["users::conn::ConnInner"]),
    ("what the device said of itself", &["kept_hello.rs"]),
    ("the id of its user", &["cid.rs"]),
];

/// What one connection owns: each part with its bytes and blocks.
struct Owned(Vec<(&'static str, f64, f64)>);

impl Owned {
    /// Reads what is left at the end of a heap profile, and divides it by the connections.
    fn of(heap: &Value) -> Self {
        let mut rows: Vec<_> = PARTS.iter().map(|(part, _)| (*part, 0.0, 0.0)).collect();
        rows.push(("the rest", 0.0, 0.0));
        for place in heap["pps"].as_array().unwrap() {
            let frames = place["fs"].as_array().unwrap().iter().filter_map(Value::as_u64);
            let trace: Vec<&str> = frames.filter_map(|frame| heap["ftbl"][frame as usize].as_str()).collect();
            let names = |name: &&str| trace.iter().any(|frame| frame.contains(*name));
            let part = PARTS.iter().position(|(_, tells)| tells.iter().any(names));
            let (_, bytes, blocks) = &mut rows[part.unwrap_or(PARTS.len())];
            *bytes += place["eb"].as_f64().unwrap() / CONNS as f64;
            *blocks += place["ebk"].as_f64().unwrap() / CONNS as f64;
        }
        Owned(rows)
    }

    fn bytes(&self) -> f64 {
        self.0.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// A table, the largest part first.
    fn print(mut self, what: &str) {
        let (bytes, blocks) = (self.bytes(), self.0.iter().map(|(_, _, blocks)| blocks).sum::<f64>());
        self.0.sort_by(|(_, one, _), (_, other, _)| other.total_cmp(one));
        println!("| an idle connection {what} | bytes | blocks |\n|---|---|---|");
        for (part, bytes, blocks) in self.0.iter().filter(|(_, bytes, _)| *bytes >= 0.5) {
            println!("| {part} | {bytes:.0} | {blocks:.2} |");
        }
        println!("| **together** | {bytes:.0} | {blocks:.1} |\n");
    }
}

fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Server::builder()
            .identify(async |stranger, name: String| Ok(stranger.accept(name)))
            .on("echo", async |conn: wse::Conn, what: Value| conn.send("echo", what).map(drop).map_err(Into::into))
            .build();
        runtime.block_on(async { server.serve(tokio::net::TcpListener::from_std(listener).unwrap()).await }).unwrap();
    });
    addr
}

/// Opens a connection whose client owns nothing on this heap, and has one message echoed.
fn open(addr: SocketAddr, number: usize, hi: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.write_all(request("/", &[]).as_bytes()).unwrap();
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        tcp.read_exact(&mut last[3..]).unwrap();
    }
    for message in
        [format!(r#"["~wse:hi",{{"identity":"user-{number}","meta":{{}}{hi}}}]"#), r#"["echo","hello"]"#.into()]
    {
        tcp.write_all(&text(&message)).unwrap();
        let mut head = [0; 2];
        tcp.read_exact(&mut head).unwrap();
        let mut length = usize::from(head[1]);
        if length == 126 {
            tcp.read_exact(&mut head).unwrap();
            length = usize::from(u16::from_be_bytes(head));
        }
        tcp.read_exact(&mut [0; 1024][..length]).unwrap();
    }
    if !hi.is_empty() {
        tcp.write_all(&text(r#"["~wse:ack",1,null]"#)).unwrap();
    }
    tcp
}

fn owned(hi: &str) -> Owned {
    let addr = serve();
    let mut connections = Vec::with_capacity(CONNS + 1);
    connections.push(open(addr, CONNS, hi)); // what is made once is not counted
    let file = std::env::temp_dir().join(format!("wse-memory-{}.json", std::process::id()));
    let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(Some(64)).build();
    connections.extend((0..CONNS).map(|number| open(addr, number, hi)));
    thread::sleep(Duration::from_millis(1500)); // a session acknowledges within a second
    drop(profiler);
    let heap: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    Owned::of(&heap)
}

#[test]
fn an_idle_connection_owns_no_more_than_the_published_table() {
    for (what, hi, most) in [("without a session", "", WITHOUT), ("with a session", r#","session":{}"#, WITH)] {
        let owned = owned(hi);
        let bytes = owned.bytes();
        owned.print(what);
        assert!(bytes <= most * 1.03, "{what}: {bytes:.0} bytes instead of {most}");
    }
}
