//! The server behind TLS, with a certificate made for the test.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]
#![cfg(feature = "tls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
        server::WebPkiClientVerifier,
        version::TLS12,
    },
};
use wse::{Limits, ServeError, Server, Stranger, service::TlsHandshake};
use wse_test_peers::{PIPE, ask_upgrade, attach_with, events, request, server};

/// A server's configuration, and a client's that trusts it.
fn certificate() -> (Arc<ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

async fn dial(connector: &TlsConnector, addr: std::net::SocketAddr) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

#[tokio::test]
async fn a_conversation_over_tls_is_as_any_other() {
    for cores in [0, 2] {
        converse(cores).await;
    }
}

/// On so many threads of the server's own.
async fn converse(cores: usize) {
    let (config, connector) = certificate();
    let (when, mut events) = events();
    let server =
        server(|builder| builder.path("/ws").cores(cores).when(when).register("echo", async |_, what: Value| Ok(what)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    let served = tokio::spawn(async move { serving.serve_tls(listener, config).await });

    let mut peer = ask_upgrade(dial(&connector, addr).await, request("/ws", &[])).await.upgraded();
    peer.enter("ann").await;
    for size in [0, 10, 100_000, 900_000] {
        let what = json!("x".repeat(size));
        assert_eq!(peer.call("echo", what.clone()).await, json!(["~wse:response", what]));
    }
    assert_eq!(server.user("ann").conns()[0].remote_addr().unwrap().to_string(), "127.0.0.1");
    peer.leave().await;
    let told = events.take(4).await;
    assert_eq!(told[2..], ["disconnected ann 1 1000 wse.by-client", "left ann 1000 wse.by-client"]);
    assert_eq!(ask_upgrade(dial(&connector, addr).await, request("/other", &[])).await.status, 404);

    let mut peer = ask_upgrade(dial(&connector, addr).await, request("/ws", &[])).await.upgraded();
    peer.enter("bob").await;
    let (_, closed) = tokio::join!(server.shutdown(Duration::from_secs(5)), peer.closed());
    assert_eq!(closed, (1012, "wse.restart after=1000".into()));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up_and_holds_nobody_up() {
    let (config, connector) = certificate();
    let limits = Limits { http_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve_tls(listener, config).await });

    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut peer = ask_upgrade(dial(&connector, addr).await, request("/", &[])).await.upgraded();
    peer.enter("ann").await;
    let read = tokio::time::timeout(Duration::from_secs(60), silent.read(&mut [0; 16])).await;
    assert_eq!(read.expect("it is hung up on").unwrap_or(0), 0);
    peer.leave().await;
}

#[tokio::test]
async fn listen_tls_binds_and_says_when_it_cannot() {
    let (config, connector) = certificate();
    let server = server(|builder| builder);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    assert!(matches!(server.listen_tls(addr, config.clone()).await, Err(ServeError::Listen(_))));
    drop(taken);
    let listening = server.clone();
    tokio::spawn(async move { listening.listen_tls(addr, config).await });
    while TcpStream::connect(addr).await.is_err() {
        tokio::task::yield_now().await;
    }
    ask_upgrade(dial(&connector, addr).await, request("/", &[])).await.upgraded().enter("ann").await;
}

#[tokio::test]
async fn of_the_handshakes_under_way_the_oldest_goes_where_there_are_too_many() {
    let (config, connector) = certificate();
    let server = server(|builder| builder.limits(Limits { strangers: 1, ..Limits::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    let served = tokio::spawn(async move { serving.serve_tls(listener, config).await });
    let mut silent = Vec::new();
    for _ in 0..65 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    assert_eq!(silent[0].read(&mut [0]).await.unwrap(), 0, "it is hung up on");
    let mut peer = ask_upgrade(dial(&connector, addr).await, request("/", &[])).await.upgraded();
    peer.enter("ann").await;
    assert_eq!(silent[1].read(&mut [0]).await.unwrap(), 0, "and so is the next");
    peer.leave().await;
    server.shutdown(Duration::ZERO).await;
    served.await.unwrap().unwrap();
}

/// A server that asks clients for certificates of an authority, and a client that has one.
fn mutual() -> (ServerConfig, ClientConfig, CertificateDer<'static>, RootCertStore) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let of = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        (certificate.der().clone(), key)
    };
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots.clone())).allow_unauthenticated().build().unwrap();
    let (certificate, key) = of("localhost");
    let server =
        ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(vec![certificate], key).unwrap();
    let (certificate, key) = of("device-7");
    let client = ClientConfig::builder()
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![certificate.clone()], key)
        .unwrap();
    (server, client, certificate, roots)
}

/// What identify sees of the TLS of a client with that configuration.
async fn seen(server: ServerConfig, client: ClientConfig) -> (Option<TlsHandshake>, Option<Vec<u8>>) {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let wse = Server::builder()
        .identify(async move |stranger: Stranger, name: String| {
            let _ = sender.send(stranger.tls().cloned());
            Ok(stranger.accept(name))
        })
        .build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { wse.serve_tls(listener, Arc::new(server)).await });
    let stream = dial(&TlsConnector::from(Arc::new(client)), addr).await;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    ask_upgrade(stream, request("/", &[])).await.upgraded().enter("ann").await;
    (seen.recv().await.unwrap(), agreed)
}

#[tokio::test]
async fn identify_sees_the_certificate_of_the_client_and_what_was_agreed_on() {
    let (server, client, certificate, roots) = mutual();
    let tls = seen(server.clone(), client).await.0.expect("it came over TLS");
    assert_eq!(tls.peer_certificates, [certificate.to_vec()]);
    assert_eq!((tls.server_name.as_deref(), tls.version, tls.alpn), (Some("localhost"), Some("TLSv1.3"), None));

    let older =
        ClientConfig::builder_with_protocol_versions(&[&TLS12]).with_root_certificates(roots).with_no_client_auth();
    let tls = seen(server, older).await.0.expect("it came over TLS");
    assert_eq!((tls.peer_certificates.len(), tls.version), (0, Some("TLSv1.2")));
}

#[tokio::test(start_paused = true)]
async fn without_tls_identify_sees_none_and_behind_other_tls_what_that_says() {
    let server = Server::builder()
        .identify(async |stranger: Stranger, name: String| {
            let version = stranger.tls().and_then(|tls| tls.version);
            Ok(stranger.accept(name).welcome(&version))
        })
        .build();
    for version in [None, Some("TLSv1.3")] {
        let mut request = http::Request::new(());
        if version.is_some() {
            let mut tls = TlsHandshake::default();
            tls.version = version;
            request.extensions_mut().insert(tls);
        }
        let (mut peer, _) = attach_with(&server, PIPE, request);
        peer.hi(json!("ann"), json!({})).await;
        assert_eq!(peer.json().await[1], json!(version));
    }
}

#[tokio::test]
async fn a_proxy_header_comes_before_tls() {
    let (config, connector) = certificate();
    let server = server(|builder| builder.proxy_protocol(true).trusted_proxy("127.0.0.0/8".parse().unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve_tls(listener, config).await });
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n").await.unwrap();
    let tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
    ask_upgrade(tls, request("/", &[])).await.upgraded().enter("ann").await;
    assert_eq!(server.user("ann").conns()[0].remote_addr(), "2001:db8::7".parse().ok());
}

#[tokio::test]
async fn a_configuration_that_offers_http_2_agrees_on_http_1_alone() {
    for offered in [&["h2", "http/1.1"][..], &["h2"], &["http/1.1"], &[]] {
        let (mut server, mut client, ..) = mutual();
        server.alpn_protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (tls, agreed) = seen(server, client).await;
        let expected = (!offered.is_empty()).then(|| b"http/1.1".to_vec());
        assert_eq!((tls.unwrap().alpn, &agreed), (expected.clone(), &expected), "{offered:?}");
    }
}
