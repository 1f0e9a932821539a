//! Sends every message back, for the Autobahn suite: `echo_server 127.0.0.1:9001`, where port 0 picks one.

mod common;

use common::{Result, accept, echo, header, headers, read_head};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use wse_frame::{Role, deflate::Deflate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let addr = std::env::args().nth(1).ok_or("usage: echo_server ADDR:PORT")?;
    let listener = TcpListener::bind(addr).await?;
    println!("ready {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    let (head, behind) = read_head(&mut stream).await?;
    let key = header(&head, "Sec-WebSocket-Key").ok_or("no upgrade")?;
    let agreed = Deflate::answer(headers(&head, "Sec-WebSocket-Extensions"));
    let extension = agreed.map(|agreed| format!("Sec-WebSocket-Extensions: {}\r\n", agreed.response()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{}\r\n",
        accept(key),
        extension.unwrap_or_default()
    );
    stream.write_all(answer.as_bytes()).await?;
    echo(stream, Role::Server, behind, agreed).await?;
    Ok(())
}
