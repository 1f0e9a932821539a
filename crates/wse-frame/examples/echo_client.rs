//! Sends every message back, for the Autobahn suite: `echo_client ws://127.0.0.1:9001 --agent wse-frame` runs every case
//! of a fuzzing server.

mod common;

use std::time::Duration;

use common::{Result, accept, echo, header, headers, read_head};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use wse_frame::{Role, deflate::Deflate};

/// No case takes nearly as long, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (url, flag, agent) = (args.next(), args.next(), args.next());
    let (Some(url), Some("--agent"), Some(agent)) = (url, flag.as_deref(), agent) else {
        return Err("usage: echo_client ws://ADDR:PORT --agent NAME".into());
    };
    let addr = url.strip_prefix("ws://").ok_or("the URL begins with ws://")?.trim_end_matches('/');

    let cases = visit(addr, "/getCaseCount").await?.ok_or("no count")?.parse::<usize>()?;
    for case in 1..=cases {
        if let Err(error) = visit(addr, &format!("/runCase?case={case}&agent={agent}")).await {
            eprintln!("case {case}: {error}"); // the report judges, not we
        }
    }
    visit(addr, &format!("/updateReports?agent={agent}")).await?;
    println!("{cases} cases");
    Ok(())
}

/// One conversation, as long as the server likes; gives the last text.
async fn visit(addr: &str, path: &str) -> Result<Option<String>> {
    let mut stream = TcpStream::connect(addr).await?;
    let key = "d3NlLWZyYW1lIGVjaG8gIQ==";
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: {}\r\n\r\n",
        Deflate::OFFER
    );
    stream.write_all(request.as_bytes()).await?;
    let (head, behind) = read_head(&mut stream).await?;
    if !head.starts_with("HTTP/1.1 101") || header(&head, "Sec-WebSocket-Accept") != Some(&accept(key)) {
        return Err(format!("no upgrade: {head}").into());
    }
    let agreed = Deflate::accept(headers(&head, "Sec-WebSocket-Extensions"))?;
    timeout(PATIENCE, echo(stream, Role::Client, behind, agreed)).await?
}
