//! Opens a tunnel through an HTTP proxy (RFC 9110 section 9.3.6). Every error says that it is the
//! proxy's; none shows its password.

use crate::{
    client::{
        addresses::{self, Tried},
        http_error::io_error,
        proxy::Proxy,
    },
    connection::stream::Io,
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::net::TcpStream;

/// Connects to a host and port through a proxy.
pub(crate) async fn open(proxy: &Proxy, host: &str, port: u16, tried: &Tried) -> io::Result<Io> {
    let named = format!("the proxy {}:{}", proxy.host, proxy.port);
    let tcp = addresses::connect(&proxy.host, proxy.port, tried).await;
    let tcp = tcp.map_err(|error| io::Error::new(error.kind(), format!("{named} is not reachable: {error}")))?;
    let failed = |error: hyper::Error| {
        let error = io_error(&error);
        io::Error::new(error.kind(), format!("{named} broke off: {error}"))
    };
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{named} {why}"));

    let to = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = Request::connect(&to).header(header::HOST, &to);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| invalid("cannot be asked for that host"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(failed)?;
    let connection = tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(failed)?;
    if !response.status().is_success() {
        connection.abort();
        return Err(refused(&named, response.status()));
    }
    let parts = hyper::upgrade::on(response).await.map_err(failed)?.downcast::<TokioIo<TcpStream>>();
    let parts = parts.map_err(|_| invalid("lost the stream"))?;
    // In TLS and in WebSocket the client speaks first.
    if parts.read_buf.is_empty() { Ok(Box::new(parts.io.into_inner())) } else { Err(invalid("spoke out of turn")) }
}

fn refused(named: &str, status: StatusCode) -> io::Error {
    let busy = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    let kind = if busy { io::ErrorKind::Other } else { io::ErrorKind::InvalidData };
    io::Error::new(kind, format!("{named} refused the tunnel with status {}", status.as_u16()))
}
