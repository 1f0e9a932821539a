//! The client over TLS and plain TCP: a thin layer on real sockets.
#![cfg(feature = "tls")]

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
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

/// What an address answers that belongs to another server for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    /// The server, with the certificate that is trusted.
    Itself,
    /// A certificate that nobody vouches for, as a captive portal has one.
    Untrusted,
    /// A certificate that was trusted until yesterday.
    Expired,
    /// A TLS alert, since it wants a certificate of the client.
    Alert,
    /// HTTP without TLS.
    Plain,
}

fn certified(expired: bool) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    if expired {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    (certificate, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
}

#[tokio::test]
async fn after_a_welcome_no_alert_and_no_certificate_is_final_and_before_it_the_text_tells_of_each() {
    let ((good, key), (expired, expired_key)) = (certified(false), certified(true));
    let (untrusted, untrusted_key) = certified(false);
    let single = |certificate: &CertificateDer<'static>, key: PrivateKeyDer<'static>| {
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
        TlsAcceptor::from(Arc::new(config.expect("a key that fits")))
    };
    let mut roots = RootCertStore::empty();
    roots.add(good.clone()).expect("a certificate");
    let wants = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let wants = ServerConfig::builder().with_client_cert_verifier(wants);
    let wants = wants.with_single_cert(vec![good.clone()], key.clone_key()).expect("a key that fits");
    let acceptors = [
        (Answers::Itself, single(&good, key)),
        (Answers::Untrusted, single(&untrusted, untrusted_key)),
        (Answers::Expired, single(&expired, expired_key)),
        (Answers::Alert, TlsAcceptor::from(Arc::new(wants))),
    ];
    let server = server(|builder| builder);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("wss://localhost:{}/", listener.local_addr().expect("an address").port());
    let (turn, answers) = tokio::sync::watch::channel(Answers::Itself);
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let serving = server.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let (now, server) = (*answers.borrow(), serving.clone());
            let _ = asked.send(now); // the test may have ended
            let acceptor = acceptors.iter().find(|(answers, _)| *answers == now).map(|(_, acceptor)| acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    Some(acceptor) => {
                        if let Ok(tls) = acceptor.accept(tcp).await {
                            server.serve_stream(tls, None).await;
                        }
                    }
                    None => _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await,
                }
            });
        }
    });
    let config = trusting(&[good, expired]);
    let others = [Answers::Untrusted, Answers::Expired, Answers::Alert, Answers::Plain];
    for (answers, says) in others.into_iter().zip(["invalid peer certificate", "expired", "alert", ""]) {
        turn.send_replace(answers);
        let client = Client::builder(&url).identity("ann").tls(config.clone());
        let error = soon(client.reconnect(Backoff { retries: 0, ..Backoff::default() }).connect()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{answers:?}: {error}");
    }
    turn.send_replace(Answers::Itself);
    let waits = Duration::from_millis(20);
    let backoff = Backoff { min: waits, max: waits, ..Backoff::default() };
    let client = soon(Client::builder(&url).identity("ann").tls(config).reconnect(backoff).connect()).await.unwrap();
    for answers in others {
        turn.send_replace(answers);
        client.cut();
        let mut times = 0;
        while times < 3 {
            times += u32::from(soon(asks.recv()).await.expect("it tries again") == answers);
        }
        turn.send_replace(Answers::Itself);
        let mut status = client.watch_status();
        soon(status.wait_for(|status| *status == Status::Ready)).await.expect("it comes back");
    }
    soon(client.close(Reason::default())).await;
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
