//! How an address is written and found: schemes, international names, several addresses of one host, and
//! what the errors say.

use tokio::net::TcpListener;
use wse::{Backoff, Client, ConnectError, Reason};
use wse_test_peers::{dials, server, soon};

#[tokio::test(start_paused = true)]
async fn an_address_is_read_as_people_write_it() {
    for (written, host) in [
        (" WS://a.test:81/ws ", "a.test:81"),
        ("Ws://B\u{fc}cher.example/ws", "xn--bcher-kva.example"),
        ("\twss://\u{4f8b}\u{3048}.jp/ws\n", "xn--r8jz45g.jp"),
    ] {
        let (dial, mut dials) = dials();
        tokio::spawn(Client::builder(written).dial(dial).connect());
        let request = dials.next().await.request().await;
        assert_eq!(request.header("host"), Some(host), "{written:?}");
        assert!(request.head.starts_with("GET /ws HTTP/1.1\r\n"), "{}", request.head);
    }
}

#[tokio::test]
async fn who_writes_the_address_of_a_page_is_told_what_to_write_instead() {
    for (url, instead) in [("http://h.example/", "write ws:// instead"), ("https://h.example/", "write wss:// instead")]
    {
        let error = soon(Client::builder(url).reconnect(Backoff::persistent()).connect()).await.unwrap_err();
        assert!(matches!(&error, ConnectError::BadUrl(why) if why.ends_with(instead)), "{error}");
    }
}

#[tokio::test]
async fn the_error_names_every_address_that_was_tried() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = soon(Client::builder(&format!("ws://{free}/")).connect()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{free}: ")), "{error}");
    let url = format!("ws://localhost:{}/", free.port());
    let error = soon(Client::builder(&url).connect()).await.unwrap_err().to_string();
    for addr in tokio::net::lookup_host(("localhost", free.port())).await.unwrap() {
        assert!(error.contains(&format!("{addr}: ")), "{error}");
    }
    let error = soon(Client::builder("ws://nowhere.invalid/").connect()).await.unwrap_err().to_string();
    assert!(error.contains("nowhere.invalid was not found"), "{error}");
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_named_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits = wse::Limits { connect_timeout: std::time::Duration::from_millis(100), ..wse::Limits::default() };
    let error = soon(Client::builder(&format!("ws://{addr}/")).limits(limits).connect()).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("no answer in time, tried {addr}")), "{error}");
}

#[tokio::test]
async fn a_host_whose_other_family_has_no_server_is_reached() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(bind).await else { continue }; // a machine without that family
        let (server, port) = (server(|builder| builder), listener.local_addr().unwrap().port());
        let found = tokio::net::lookup_host(("localhost", port)).await.unwrap();
        if !found.into_iter().any(|addr| addr == listener.local_addr().unwrap()) {
            continue; // where `localhost` has one family only
        }
        tokio::spawn(async move { server.serve(listener).await });
        let client = soon(Client::builder(&format!("ws://localhost:{port}/")).identity("ann").connect()).await.unwrap();
        soon(client.close(Reason::default())).await;
    }
}

#[cfg(feature = "tls")]
pub(crate) mod tls {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use serde_json::{Value, json};
    use std::{net::SocketAddr, path::PathBuf, sync::Arc};
    use tokio::net::TcpListener;
    use tokio_rustls::rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    };
    use wse_test_peers::{programs::Program, server};

    /// A server whose certificate its own name has issued, and the certificate in PEM.
    pub(crate) async fn serving(issuer: &str) -> (SocketAddr, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, issuer);
        let key = KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.der().clone()], key);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (server, config) = (server(|builder| builder), Arc::new(config.expect("a key that fits")));
        tokio::spawn(async move { server.serve_tls(listener, config).await });
        (addr, made.pem())
    }

    /// What a client says whose operating system has these roots.
    async fn told(addr: SocketAddr, roots: &str) -> Value {
        told_with(addr, roots, &[], &[]).await
    }

    /// The same of one with these options in this environment.
    pub(crate) async fn told_with(
        addr: SocketAddr,
        roots: &str,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Value {
        let name = format!("wse-roots-{}-{}.pem", std::process::id(), addr.port());
        let file: PathBuf = std::env::temp_dir().join(name);
        std::fs::write(&file, roots).expect("a file");
        let file_name = file.to_str().expect("a path");
        let url = format!("wss://localhost:{}/", addr.port());
        let environment = [environment, &[("SSL_CERT_FILE", file_name), ("SSL_CERT_DIR", "")]].concat();
        let options = [options, &["--url", url.as_str(), "--identity", "\"ann\""]].concat();
        let mut client = Program::start_in("testclient", &options, &environment);
        let told = client.ask(json!({"id": 1, "do": "connect"})).await;
        std::fs::remove_file(file).expect("it is there still");
        told
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_trusted_is_told_with_its_issuer() {
        let ((addr, own), (_, other)) = (serving("Captive Portal CA").await, serving("Another CA").await);
        let trusted = told(addr, &own).await;
        assert!(trusted["err"].is_null(), "its own roots trust it: {trusted}");
        let told = told(addr, &other).await;
        let message = told["err"]["message"].as_str().expect("an error");
        assert!(message.ends_with("its issuer is \"Captive Portal CA\""), "{message}");
    }

    #[tokio::test]
    async fn an_operating_system_without_roots_is_told_as_that_and_not_as_a_bad_certificate() {
        let (addr, _) = serving("a CA").await;
        let told = told(addr, "").await;
        let message = told["err"]["message"].as_str().expect("an error");
        assert!(message.contains("no root certificates of the operating system were found"), "{message}");
        assert!(!message.contains("issuer"), "{message}");
    }
}
