//! The client over TLS and plain TCP: a thin layer on real sockets.
#![cfg(feature = "tls")]

use std::{io::ErrorKind, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use wse::{Backoff, Client, ConnectError, Reason, Server, Status};
use wse_test_peers::{server, soon};

/// A server at `localhost` behind TLS, and its certificate.
async fn serving() -> (Server, SocketAddr, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let server = server(|builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (serving, config) = (server.clone(), Arc::new(config.expect("a key that fits")));
    tokio::spawn(async move { serving.serve_tls(listener, config).await });
    (server, addr, certificate)
}

fn trusting(certificates: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).expect("a certificate");
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn wss_connects_to_a_server_whose_certificate_is_trusted() {
    let (server, addr, certificate) = serving().await;
    let url = format!("wss://localhost:{}/", addr.port());
    let config = trusting(&[certificate]);
    let client = soon(Client::builder(&url).identity("ann").tls(config).connect()).await.unwrap();
    assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
    let big = "x".repeat(300_000);
    assert!(client.send("nobody", &big).is_ok());
    assert_eq!(soon(client.call::<_, i64>("add", (3, 4))).await.unwrap(), 7);
    soon(client.close(Reason::default())).await;
    assert_eq!((client.status(), server.conn_count()), (Status::Offline, 0));
}

#[tokio::test]
async fn wss_refuses_a_certificate_that_nobody_vouches_for_or_of_another_host_for_good() {
    let (_server, addr, certificate) = serving().await;
    for (host, roots) in [("localhost", vec![]), ("127.0.0.1", vec![certificate])] {
        let url = format!("wss://{host}:{}/", addr.port());
        let builder = Client::builder(&url).identity("ann").reconnect(Backoff::default());
        let error = soon(builder.tls(trusting(&roots)).connect()).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::Unreachable(error) if error.kind() == ErrorKind::InvalidData),
            "{error}"
        );
    }
    // The default trusts the system's roots, which vouch for no certificate of this test.
    let url = format!("wss://localhost:{}/", addr.port());
    let error = soon(Client::builder(&url).identity("ann").connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn ws_connects_over_tcp_and_a_port_where_nobody_listens_is_unreachable() {
    let server = server(|builder| builder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("ws://{host}:{}/path?x=1", addr.port());
        let client = soon(Client::builder(&url).identity("ann").connect()).await.unwrap();
        assert_eq!(server.conn_count(), 1);
        soon(client.close(Reason::default())).await;
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = soon(Client::builder(&format!("ws://{free}/")).connect()).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable(error) if error.kind() == ErrorKind::ConnectionRefused),
        "{error}"
    );
}
