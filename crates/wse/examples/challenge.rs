//! A challenge before the welcome: the server sends a random nonce, the client proves with
//! HMAC-SHA256 that it knows the secret, and the secret never crosses the wire.
//!
//! ```text
//! cargo run -p wse --example challenge
//! ```

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{error::Error, time::Duration};
use tokio::net::TcpListener;
use wse::{Client, ConnectError, RpError, Server, Stranger, Verdict};

#[derive(Serialize, Deserialize)]
struct Quest {
    nonce: String,
}

fn hmac(secret: &str, nonce: &str) -> Result<Hmac<Sha256>, RpError> {
    Ok(Hmac::new_from_slice(secret.as_bytes())?.chain_update(nonce))
}

/// What the server knows of its users.
fn secret_of(name: &str) -> Option<&'static str> {
    [("ann", "correct horse"), ("bob", "battery staple")].into_iter().find(|known| known.0 == name).map(|known| known.1)
}

/// Asked twice: when the device says hi, and again with its answer to the quest of this connection.
async fn identify(stranger: Stranger, name: String) -> Result<Verdict, RpError> {
    let Some((quest, answer)) = stranger.answer::<Quest, String>()? else {
        return Ok(stranger.challenge(&Quest { nonce: hex(&rand::random::<[u8; 16]>()) }));
    };
    let (Some(secret), Some(answer)) = (secret_of(&name), unhex(&answer)) else { return Ok(stranger.refuse()) };
    let verified = hmac(secret, &quest.nonce)?.verify_slice(&answer); // in constant time
    Ok(if verified.is_ok() { stranger.accept(name) } else { stranger.refuse() })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8)).collect())
}

async fn connect(url: &str, name: &str, secret: &'static str) -> Result<Client, ConnectError> {
    Client::builder(url)
        .identity(name)
        .challenge(async move |_, quest: Quest| Ok(hex(&hmac(secret, &quest.nonce)?.finalize().into_bytes())))
        .connect()
        .await
}

async fn show(url: &str, server: &Server) -> Result<(), Box<dyn Error>> {
    let ann = connect(url, "ann", "correct horse").await?;
    println!("ann with her secret: {}", ann.status());

    for (name, secret) in [("bob", "correct horse"), ("eve", "anything")] {
        let Err(error) = connect(url, name, secret).await else { panic!("{name} came in") };
        println!("{name} with a wrong secret: {error}");
        assert!(matches!(error, ConnectError::Refused(_)));
    }
    assert_eq!(server.user_count(), 1);

    ann.close("done").await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let server = Server::builder().identify(identify).build();
    tokio::select! {
        served = server.serve(listener) => served?,
        shown = show(&url, &server) => shown?,
    }
    server.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
