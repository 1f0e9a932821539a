//! Who may log in, and what is said where nobody may. In a runtime of one thread, whose log is read.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use wse_nats::Nats;
use wse_test_peers::{
    bus::{Certificates, Log, Node, Process, built, free_port, until},
    secrets::secret,
};

/// Starts the newest server, with these options besides.
fn start(port: u16, options: &[&str]) -> Process {
    let port_text = port.to_string();
    Process::start(built("nats-server"), &[&["-a", "127.0.0.1", "-p", &port_text], options].concat(), port)
}

fn address(port: u16) -> Nats {
    Nats::connect(&format!("nats://127.0.0.1:{port}")).unwrap()
}

/// Two nodes with such buses reach one another.
async fn works(bus: impl Fn() -> Nats) {
    let (one, two) = (Node::start(bus(), 1), Node::start(bus(), 2));
    one.linked().await;
    two.linked().await;
    one.reach(&two, "here").await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_again_for_ever_and_told_without_it() {
    let (log, port) = (Log::new(), free_port());
    let server = start(port, &["--user", "ann", "--pass", "another"]);
    let bus = address(port).user("ann", &secret("word"));
    log.show(&bus);
    let node = Node::start(bus, 1);
    until("a refusal", || log.count("cluster engine not reached, retrying") > 0).await;
    sleep(Duration::from_secs(4)).await;
    assert!(node.links().is_empty() && node.is_running());
    assert_eq!(log.count("cluster engine not reached, retrying"), 1, "said once a minute");
    assert!(log.line("cluster engine not reached, retrying").contains("authorization violation"));
    drop(server);
    let _server = start(port, &["--user", "ann", "--pass", &secret("word")]);
    node.linked().await;
    assert_eq!(log.count("cluster engine connected"), 1);
    log.shows_no_secret();
}

#[tokio::test]
async fn users_and_tokens_are_given_by_method_and_by_address() {
    let (log, port) = (Log::new(), free_port());
    let server = start(port, &["--user", "ann", "--pass", &secret("w@rd")]);
    works(|| address(port).user("ann", &secret("w@rd"))).await;
    works(|| Nats::connect(&format!("nats://ann:S3CRET%20w%40rd@127.0.0.1:{port}")).unwrap()).await;
    drop(server);
    let _server = start(port, &["--auth", &secret("token")]);
    works(|| address(port).token(&secret("token"))).await;
    works(|| Nats::connect(&format!("nats://S3CRET%20token@127.0.0.1:{port}")).unwrap()).await;
    log.shows_no_secret();
}

#[tokio::test]
async fn an_nkey_lets_in() {
    let (files, port) = (Certificates::make(), free_port());
    let user = KeyPair::new_user();
    let users = format!("authorization {{ users = [ {{ nkey: {} }} ] }}", user.public_key());
    let _server = start(port, &["-c", &files.write("nats.conf", &users)]);
    let seed = user.seed().unwrap();
    works(|| address(port).nkey(&seed).unwrap()).await;
}

/// A JWT that one key signs for another.
fn jwt(signer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = encode(json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let (iss, sub) = (signer.public_key(), subject.public_key());
    let body = encode(json!({"jti": "t", "iat": 1, "iss": iss, "sub": sub, "name": "t", "nats": claims}));
    let signature = signer.sign(format!("{head}.{body}").as_bytes()).unwrap();
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_credentials_file_lets_in() {
    let (log, files, port) = (Log::new(), Certificates::make(), free_port());
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let operator_jwt = jwt(&operator, &operator, json!({"type": "operator", "version": 2}));
    let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1});
    let account_jwt = jwt(&operator, &account, json!({"type": "account", "version": 2, "limits": limits}));
    let may = json!({"type": "user", "version": 2, "pub": {"allow": ["wse.t.>"]}, "sub": {"allow": ["wse.t.>"]}, "subs": -1, "data": -1, "payload": -1});
    let user_jwt = jwt(&account, &user, may);
    let config = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public_key()
    );
    let seed = user.seed().unwrap();
    let credentials = files.write(
        "wse.creds",
        &format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ),
    );
    let _server = start(port, &["-c", &files.write("nats.conf", &config)]);
    works(|| address(port).credentials(&credentials).unwrap()).await;
    assert_eq!((log.count(&seed), log.count(&user_jwt)), (0, 0));
    assert!(address(port).credentials(files.path("server.pem")).is_err(), "no credentials in it");
}

#[tokio::test]
async fn both_ends_prove_by_certificates_who_they_are() {
    let (log, files, port) = (Log::new(), Certificates::make(), free_port());
    let (certificate, key, authority) =
        (files.path("server.pem"), files.path("server.key"), files.path("authority.pem"));
    let tls = ["--tlsverify", "--tlscert", &certificate, "--tlskey", &key, "--tlscacert", &authority];
    let _server = start(port, &tls);
    let trusting = || address(port).root_certificates(files.path("authority.pem")).unwrap();
    works(|| trusting().client_certificate(files.path("client.pem"), files.path("client.key")).unwrap()).await;
    // neither without its own, nor with a server that nobody vouches for
    let nameless = Node::start(trusting(), 3);
    let distrusting = Nats::connect(&format!("tls://127.0.0.1:{port}")).unwrap();
    let distrusting = distrusting.client_certificate(files.path("client.pem"), files.path("client.key")).unwrap();
    let distrusting = Node::start(distrusting, 4);
    until("both are refused", || log.count("cluster engine not reached, retrying") == 2).await;
    sleep(Duration::from_secs(1)).await;
    assert!(nameless.links().is_empty() && distrusting.links().is_empty());
    assert!(trusting().client_certificate(files.path("client.key"), files.path("client.key")).is_err());
    assert!(trusting().client_certificate(files.path("client.pem"), files.path("client.pem")).is_err());
    assert!(trusting().root_certificates(files.path("client.key")).is_err());
}

#[tokio::test]
async fn the_rights_that_the_documentation_names_are_enough_and_fewer_are_told_of() {
    let (log, files, port) = (Log::new(), Certificates::make(), free_port());
    let user = |name: &str, subjects: &str| {
        format!(
            "{{ user: {name}, password: p, permissions: {{ publish: \"{subjects}\", subscribe: \"{subjects}\" }} }}"
        )
    };
    let users = format!("authorization {{ users = [ {}, {} ] }}", user("ann", "wse.t.>"), user("bob", "wse.u.>"));
    let _server = start(port, &["-c", &files.write("nats.conf", &users)]);
    works(|| address(port).user("ann", "p")).await;
    let node = Node::start(address(port).user("bob", "p"), 3);
    until("a refusal", || log.count("cluster engine not reached, retrying") > 0).await;
    assert!(log.count("ermissions Violation") > 0);
    assert!(node.links().is_empty());
}

#[tokio::test]
async fn a_server_that_takes_too_little_is_told_of() {
    let (log, files, port) = (Log::new(), Certificates::make(), free_port());
    let _server = start(port, &["-c", &files.write("nats.conf", "max_payload: 65535")]);
    let node = Node::start(address(port), 1);
    until("a refusal", || log.count("its max_payload is 65535, less than 65536") > 0).await;
    assert!(node.links().is_empty());
}
