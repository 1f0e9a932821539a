//! Calls in both directions: typed names, an error with a code and what the caller sees of it, an
//! error that stays private, a timeout, and a procedure that calls its caller back.
//!
//! ```text
//! cargo run -p wse --example rpc
//! ```

use std::{error::Error, time::Duration};
use tokio::net::TcpListener;
use wse::{CallError, Client, Rp, RpError, Server};

// Written once, read by both sides: the compiler checks every call and every procedure.
const DIVIDE: Rp<(i64, i64), i64> = Rp::new("divide");
const OPEN: Rp<String, u64> = Rp::new("open");
const NAP: Rp<u64, ()> = Rp::new("nap");
const GREET: Rp<(), String> = Rp::new("greet");
const WHOAMI: Rp<(), String> = Rp::new("whoami");

fn server() -> Server {
    Server::builder()
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .register(DIVIDE, async |_, (a, b)| {
            // Made on purpose, this error crosses the wire whole: code, text and details.
            let error = || RpError::new("NO_QUOTIENT").message("there is no such number").details(&[a, b]);
            a.checked_div(b).ok_or_else(error)
        })
        .register(OPEN, async |_, path| {
            // Any other error is logged and reported as Event::Error; the caller gets a code only.
            Ok(std::fs::metadata(path)?.len())
        })
        .register(NAP, async |_, ms| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(())
        })
        .register(GREET, async |conn, ()| {
            // The server calls the one device that is calling it.
            let device = conn.call(WHOAMI, ()).await?;
            Ok(format!("hello {}, your {device} answers", conn.cid()))
        })
        .build()
}

async fn show(url: &str) -> Result<(), Box<dyn Error>> {
    let client =
        Client::builder(url).identity("ann").register(WHOAMI, async |_, ()| Ok("phone".to_owned())).connect().await?;

    let quotient = client.call(DIVIDE, (42, 6)).await?;
    println!("42 / 6 = {quotient}");
    assert_eq!(quotient, 7);

    let Err(CallError::Failed(error)) = client.call(DIVIDE, (1, 0)).await else { panic!("1 / 0 has an answer") };
    println!("1 / 0 fails with {:?}: {}", error.code, error.message.as_deref().unwrap_or("no text"));
    assert_eq!(error.code, "NO_QUOTIENT");

    let Err(error) = client.call(OPEN, "/no/such/file".to_owned()).await else { panic!("there is such a file") };
    println!("a file that is not there: {error}");
    assert!(!error.to_string().contains("No such file"), "internal text stays inside");

    let Err(error) = client.call_within(Duration::from_millis(50), NAP, 60_000).await else { panic!("a short minute") };
    println!("a nap of a minute, waiting for 50 ms: {error}");
    assert!(matches!(error, CallError::TimedOut));

    let greeting = client.call(GREET, ()).await?;
    println!("the server called back: {greeting}");
    assert_eq!(greeting, "hello ann, your phone answers");

    client.close("done").await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let server = server();
    tokio::select! {
        served = server.serve(listener) => served?,
        shown = show(&url) => shown?,
    }
    server.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
