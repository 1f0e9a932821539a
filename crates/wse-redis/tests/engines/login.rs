//! Who may log in, and what is said where nobody may. In a runtime of one thread, whose log is read.

use std::time::Duration;
use tokio::time::sleep;
use wse_redis::{Redis, SetupError};
use wse_test_peers::{
    bus::{Certificates, Log, Node, RedisServers, free_port, redis, until},
    secrets::secret,
};

const PROGRAM: &str = "/usr/bin/redis-server";

/// Starts the oldest server, with these options besides.
fn start(options: &[&str]) -> RedisServers {
    redis(PROGRAM, 1, options)
}

fn address(port: u16) -> Redis {
    Redis::connect(&format!("redis://127.0.0.1:{port}")).unwrap()
}

/// Two nodes with such buses reach one another.
async fn works(bus: impl Fn() -> Redis) {
    let (one, two) = (Node::start(bus(), 1), Node::start(bus(), 2));
    one.linked().await;
    two.linked().await;
    one.reach(&two, "here").await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_again_for_ever_and_told_without_it() {
    let log = Log::new();
    let servers = start(&["--requirepass", "another"]);
    let bus = address(servers.ports[0]).user("default", &secret("word"));
    log.show(&bus);
    let node = Node::start(bus, 1);
    until("a refusal", || log.count("cluster engine not reached, retrying") > 0).await;
    sleep(Duration::from_secs(4)).await;
    assert!(node.links().is_empty() && node.is_running());
    assert_eq!(log.count("cluster engine not reached, retrying"), 1, "said once a minute");
    let line = log.line("cluster engine not reached, retrying");
    assert!(line.contains("WRONGPASS") || line.contains("AuthenticationFailed"), "{line}");
    let set = servers.cli(servers.ports[0], &["-a", "another", "config", "set", "requirepass", &secret("word")]);
    assert_eq!(set.trim(), "OK");
    node.linked().await;
    assert_eq!(log.count("cluster engine connected"), 1);
    log.shows_no_secret();
}

#[tokio::test]
async fn users_are_given_by_method_and_by_address() {
    let log = Log::new();
    let rights = ["resetchannels", "&wse:t:*", "+publish", "+subscribe"];
    let servers =
        start(&[&["--user", "ann", "on", ">S3CRETw@rd"], &rights[..], &["--requirepass", "S3CRETx"]].concat());
    let port = servers.ports[0];
    // with no more rights than the documentation names
    works(|| address(port).user("ann", "S3CRETw@rd")).await;
    works(|| Redis::connect(&format!("redis://ann:S3CRETw%40rd@127.0.0.1:{port}/3")).unwrap()).await;
    works(|| Redis::connect(&format!("redis://:S3CRETx@127.0.0.1:{port}")).unwrap()).await;
    log.shows_no_secret();
}

#[tokio::test]
async fn too_few_rights_are_told_of() {
    let log = Log::new();
    let servers = start(&["--user", "bob", "on", ">p", "resetchannels", "&wse:u:*", "+publish", "+subscribe"]);
    let node = Node::start(address(servers.ports[0]).user("bob", "p"), 1);
    until("a refusal", || log.count("cluster engine not reached, retrying") > 0).await;
    let line = log.line("cluster engine not reached, retrying");
    assert!(line.contains("NoPerm: this user has no permissions"), "{line}");
    assert!(node.links().is_empty());
}

#[tokio::test]
async fn a_user_of_a_redis_cluster_needs_only_what_the_documentation_names() {
    let rights = ["resetchannels", "&wse:t:*", "+spublish", "+ssubscribe", "+ping", "+cluster|slots"];
    let servers = redis(PROGRAM, 3, &[&["--user", "ann", "on", ">p"], &rights[..]].concat());
    let one = [format!("127.0.0.1:{}", servers.ports[2])]; // the others are learnt
    works(|| Redis::cluster(&one).unwrap().user("ann", "p")).await;
}

#[tokio::test]
async fn both_ends_prove_by_certificates_who_they_are() {
    let (log, files) = (Log::new(), Certificates::make());
    let (certificate, key, authority) =
        (files.path("server.pem"), files.path("server.key"), files.path("authority.pem"));
    let port = free_port();
    let port_text = port.to_string();
    let tls = ["--tls-port", &port_text, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let _servers = start(&[&tls[..], &["--tls-ca-cert-file", &authority, "--tls-auth-clients", "yes"]].concat());
    let address = || Redis::connect(&format!("rediss://127.0.0.1:{port}")).unwrap();
    let trusting = || address().root_certificates(files.path("authority.pem")).unwrap();
    works(|| trusting().client_certificate(files.path("client.pem"), files.path("client.key")).unwrap()).await;
    // neither without its own, nor with a server that nobody vouches for
    let nameless = Node::start(trusting(), 3);
    let distrusting = address().client_certificate(files.path("client.pem"), files.path("client.key")).unwrap();
    let distrusting = Node::start(distrusting, 4);
    until("both are refused", || log.count("cluster engine not reached, retrying") == 2).await;
    sleep(Duration::from_secs(1)).await;
    assert!(nameless.links().is_empty() && distrusting.links().is_empty());
    assert!(trusting().client_certificate(files.path("client.key"), files.path("client.key")).is_err());
    assert!(trusting().client_certificate(files.path("client.pem"), files.path("client.pem")).is_err());
    assert!(trusting().root_certificates(files.path("client.key")).is_err());
    let plain = Redis::connect("redis://127.0.0.1").unwrap().root_certificates(files.path("authority.pem"));
    assert!(matches!(plain, Err(SetupError::NotTls)));
}
