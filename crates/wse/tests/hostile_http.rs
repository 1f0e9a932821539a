//! Requests that no good client makes: slow, endless, with bodies, from origins that only look right,
//! under addresses that are made up.

use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{sleep, timeout},
};
use wse::{Limits, Server};
use wse_test_peers::{
    ask_upgrade,
    floods::{MIB, alone, harmless, serving, socket},
    request,
};

const MS: Duration = Duration::from_millis(1);

/// The status that a request is answered with.
async fn status(server: &Server, headers: &[(&str, &str)]) -> u16 {
    ask_upgrade(socket(server, None).0, request("/", headers)).await.status
}

/// All that a server says to a socket, until it hangs up.
async fn all_of(io: &mut DuplexStream) -> String {
    let mut said = Vec::new();
    let read = timeout(wse_test_peers::WAIT, io.read_to_end(&mut said)).await.expect("it hangs up");
    let _ = read; // a reset is an end too
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn requests_that_drip_are_given_up_when_their_time_is_over_however_they_drip() {
    alone(async {
        let time = 400 * MS;
        let server = serving(|builder| builder.limits(Limits { http_timeout: time, ..Limits::default() }));
        harmless(&server, 32 * MIB, async || {
            let mut dripping = Vec::new();
            for number in 0..200 {
                let (mut io, served) = socket(&server, None);
                let drip = tokio::spawn(async move {
                    let whole =
                        ["GET / HTTP/1.1\r\nX-Drip: ", "GET /aaaaaaaaaaaaaaaaaaaaaaaa", "\r\n\r\n\r\n\r\n"][number % 3];
                    for byte in whole.bytes().chain(std::iter::repeat(b'x')) {
                        if io.write_all(&[byte]).await.is_err() {
                            break;
                        }
                        sleep(5 * MS).await;
                    }
                });
                dripping.push((drip, served, Instant::now()));
            }
            for (drip, served, start) in dripping {
                timeout(time * 25, served).await.expect("it is given up in time").expect("no panic");
                assert!(start.elapsed() < time * 25);
                drip.await.expect("no panic");
            }
        })
        .await;
    });
}

#[test]
fn a_request_that_is_too_big_is_refused_before_it_is_read_whole() {
    alone(async {
        let server = serving(|builder| builder);
        let line = format!("X-Fill: {}\r\n", "x".repeat(1000));
        let floods: [(&str, String, String); 5] = [
            ("one endless header", "GET / HTTP/1.1\r\nX-Fill: ".into(), "x".repeat(1000)),
            ("headers without end", "GET / HTTP/1.1\r\n".into(), line),
            ("many small headers", "GET / HTTP/1.1\r\n".into(), "a:b\r\n".repeat(200)),
            ("an endless path", "GET /".into(), "a".repeat(1000)),
            ("an endless method", "".into(), "G".repeat(1000)),
        ];
        harmless(&server, 32 * MIB, async || {
            for (what, head, more) in &floods {
                for _ in 0..20 {
                    let (io, _) = socket(&server, None);
                    let (mut reader, mut writer) = tokio::io::split(io);
                    let flood = async {
                        let mut taken = writer.write(head.as_bytes()).await.unwrap_or(0);
                        while taken < 16 * MIB {
                            match timeout(200 * MS, writer.write(more.as_bytes())).await {
                                Ok(Ok(bytes)) if bytes > 0 => taken += bytes,
                                _ => break,
                            }
                        }
                        taken
                    };
                    let answer = async {
                        let mut answer = Vec::new();
                        let _ = reader.read_to_end(&mut answer).await;
                        String::from_utf8_lossy(&answer).into_owned()
                    };
                    let (taken, answer) = tokio::join!(flood, answer);
                    // 16 KiB, one read more, and the pipe.
                    assert!(taken <= 40 << 10, "{what}: {taken} bytes were taken");
                    let status = answer.split(' ').nth(1).unwrap_or_default();
                    let right = matches!(status, "431" | "414" | "400");
                    assert!(right, "{what}: {answer:?}");
                    assert!(status == "431" || !what.contains("header"), "{what}: {answer:?}");
                }
            }
        })
        .await;
        assert_eq!(status(&server, &[("Cookie", &"x".repeat(15 << 10))]).await, 101, "what just fits is taken");
    });
}

#[test]
fn a_body_that_is_announced_is_not_waited_for() {
    alone(async {
        let limits = Limits { http_timeout: Duration::from_secs(60), ..Limits::default() };
        let server = serving(|builder| builder.limits(limits));
        harmless(&server, 16 * MIB, async || {
            for (start, body, expected) in [
                ("POST / HTTP/1.1\r\n", "Content-Length: 9223372036854775807\r\n", "405"),
                ("POST / HTTP/1.1\r\n", "Transfer-Encoding: chunked\r\n", "405"),
                ("POST / HTTP/1.1\r\n", "Expect: 100-continue\r\nContent-Length: 5\r\n", "405"),
                ("GET / HTTP/1.1\r\n", "Content-Length: 1000000\r\n", "426"),
                ("GET / HTTP/1.0\r\n", "Connection: keep-alive\r\n", "426"),
                ("GET / HTTP/1.1\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "4"),
                ("GET / HTTP/1.1\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n", "400"),
                ("GET / HTTP/1.1\r\n", "Content-Length: -1\r\n", "400"),
                ("PRI * HTTP/2.0\r\n", "", ""),
                ("\u{16}\u{3}\u{1}\u{2}", "", "400"),
            ] {
                let (mut io, served) = socket(&server, None);
                io.write_all(format!("{start}Host: x\r\n{body}\r\n").as_bytes()).await.expect("it is taken");
                let answer = all_of(&mut io).await;
                let status = answer.split(' ').nth(1).unwrap_or_default();
                assert!(status.starts_with(expected), "{start}{body}: {answer:?}");
                timeout(30_000 * MS, served).await.expect("nothing more is read").expect("no panic");
            }
        })
        .await;
    });
}

#[test]
fn an_origin_that_only_looks_right_is_refused() {
    alone(async {
        let server = serving(|builder| builder.origin("https://a.example").origin("https://b.example:8443"));
        let look_alikes = [
            "https://a.example.evil.com",
            "https://evil.com/https://a.example",
            "https://evil-a.example",
            "https://xa.example",
            "https://a.exampl",
            "https://a.example.",
            "https://a.example/",
            "https://a.example?",
            "https://a.example#",
            "https://a.example:4430",
            "https://a.example:80",
            "https://a.example:8443",
            "https://b.example",
            "https://b.example:844",
            "https://b.example:84430",
            "http://a.example",
            "wss://a.example",
            "https://user@a.example",
            "https://a.example@evil.com",
            "https://a.example:443@evil.com",
            "https://a.example, https://evil.com",
            "https://evil.com, https://a.example",
            "https://a.example https://a.example",
            "https:a.example",
            "//a.example",
            "a.example",
            "null",
            "*",
            "https://*.example",
            "https://a%2eexample",
            "https://xn--a-.example",
            "https://\u{430}.example", // Cyrillic
            "file://",
            "\"https://a.example\"",
        ];
        harmless(&server, 16 * MIB, async || {
            for origin in look_alikes {
                assert_eq!(status(&server, &[("Origin", origin)]).await, 403, "{origin:?}");
            }
            for other in ["Referer", "X-Origin", "Sec-WebSocket-Origin", "Host"] {
                assert_eq!(status(&server, &[(other, "https://a.example")]).await, 403, "{other} is no Origin");
            }
            assert_eq!(status(&server, &[]).await, 403, "no origin is none of the list");
            for good in ["https://a.example", "https://b.example:8443"] {
                assert_eq!(status(&server, &[("Origin", good)]).await, 101, "{good}");
            }
        })
        .await;
    });
}

/// What a server took for the address of a peer that says this of itself.
async fn taken_for(server: &Server, peer: &str, forwarded: &[&str]) -> String {
    let headers: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", *value)).collect();
    let addr = Some(peer.parse().expect("an address"));
    let mut peer = ask_upgrade(socket(server, addr).0, request("/", &headers)).await.upgraded();
    peer.enter("eve").await;
    let conn = server.user("eve").conns().remove(0);
    conn.remote_addr().expect("it has one").to_string()
}

#[test]
fn a_forwarded_address_counts_only_as_far_as_trusted_proxies_wrote_it() {
    alone(async {
        let trusting = serving(|builder| {
            let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
            builder.trusted_proxy(networks[0]).trusted_proxy(networks[1])
        });
        let nobody = serving(|builder| builder);
        let endless = "1.1.1.1,".repeat(1500) + "198.51.100.7";
        let commas = ",".repeat(10_000);
        let forged: [&[&str]; 12] = [
            &["1.2.3.4"],
            &["127.0.0.1"],
            &["10.0.0.1"],
            &["::1"],
            &["1.2.3.4, 10.0.0.1"],
            &["1.2.3.4", "10.0.0.1"],
            &["garbage"],
            &[""],
            &["localhost"],
            &["203.0.113.9.evil"],
            &[&endless],
            &[&commas],
        ];
        harmless(&trusting, 16 * MIB, async || {
            for forwarded in forged {
                // Whoever is no proxy has its own address, whatever it writes.
                for peer in ["203.0.113.9", "11.0.0.1", "2001:db8::1"] {
                    assert_eq!(taken_for(&trusting, peer, forwarded).await, peer);
                    assert_eq!(taken_for(&nobody, peer, forwarded).await, peer);
                }
                assert_eq!(taken_for(&nobody, "10.0.0.1", forwarded).await, "10.0.0.1");
            }
            for (forwarded, expected) in [
                (&["198.51.100.7"][..], "198.51.100.7"),
                // What a client wrote before its proxy did is not believed.
                (&["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
                (&["1.2.3.4", "198.51.100.7"], "198.51.100.7"),
                (&["10.0.0.9, 198.51.100.7"], "198.51.100.7"),
                (&["garbage, 198.51.100.7"], "198.51.100.7"),
                // A chain of proxies is followed to its first stranger.
                (&["1.2.3.4, 198.51.100.7, 10.1.1.1, 10.2.2.2"], "198.51.100.7"),
                (&["1.2.3.4, 198.51.100.7, fd00::7", "10.2.2.2"], "198.51.100.7"),
                (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
                (&["::ffff:198.51.100.7"], "198.51.100.7"),
                (&["2001:db8::7"], "2001:db8::7"),
                // What is no address hides what stands before it.
                (&["198.51.100.7, garbage"], "10.0.0.1"),
                (&["198.51.100.7, garbage, 10.2.2.2"], "10.2.2.2"),
                (&["198.51.100.7:1234"], "198.51.100.7"),
                (&["198.51.100.7:port"], "10.0.0.1"),
                (&["198.51.100.7,"], "10.0.0.1"),
                (&["0x7f.1"], "10.0.0.1"),
                (&["010.0.0.1"], "10.0.0.1"),
                (&["1.2.3"], "10.0.0.1"),
                (&["\"198.51.100.7\""], "10.0.0.1"),
                (&["[2001:db8::7]"], "2001:db8::7"),
                (&["[198.51.100.7]"], "10.0.0.1"),
                (&["198.51.100.7\t"], "198.51.100.7"),
                (&[&endless], "198.51.100.7"),
                (&[&commas], "10.0.0.1"),
            ] {
                assert_eq!(taken_for(&trusting, "10.0.0.1", forwarded).await, expected, "{forwarded:?}");
                assert_eq!(taken_for(&trusting, "::ffff:10.0.0.1", forwarded).await, expected, "{forwarded:?}");
            }
            // Other headers say nothing.
            for header in ["X-Real-IP", "Forwarded", "X-Forwarded", "Client-IP", "True-Client-IP"] {
                let io = socket(&trusting, Some([10, 0, 0, 1].into())).0;
                let mut peer = ask_upgrade(io, request("/", &[(header, "1.2.3.4")])).await.upgraded();
                peer.enter("eve").await;
                let addr = trusting.user("eve").conns()[0].remote_addr();
                assert_eq!(addr, Some([10, 0, 0, 1].into()), "{header}");
            }
        })
        .await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_answer_is_given_up() {
    let server = serving(|builder| builder);
    for headers in [&[][..], &[("Transfer-Encoding", "chunked")]] {
        let (mut io, theirs) = tokio::io::duplex(8);
        let (sent, served) = tokio::join!(
            async move { io.write_all(request("/", headers).as_bytes()).await.map(|()| io) },
            timeout(Duration::from_secs(60), server.serve_stream(theirs, None)),
        );
        assert!(sent.is_ok() && served.is_ok(), "{headers:?}");
    }
}
