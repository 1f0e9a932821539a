//! The rooms of the house: what each may never import, and why. This file holds data alone.
//!
//! A room is a folder, a file or a crate's `src`. Something forbidden is a place in the tree (it has
//! a slash), one thing of a file (`path/to/file.rs#Name`), or a path of another crate (`tokio::net`).
//! A room, place or name that does not exist is a breach too, so that the table cannot rot.

/// One line of the table.
pub(crate) struct Rule {
    pub(crate) room: &'static str,
    pub(crate) never: &'static [&'static str],
    /// Files of the room that may all the same, or paths of another crate that are allowed.
    pub(crate) except: &'static [&'static str],
    pub(crate) why: &'static str,
}

const fn rule(room: &'static str, never: &'static [&'static str], why: &'static str) -> Rule {
    Rule { room, never, except: &[], why }
}

impl Rule {
    const fn except(self, except: &'static [&'static str]) -> Rule {
        Rule { except, ..self }
    }
}

/// What needs a runtime, a socket, a clock or chance.
const OUTSIDE: &[&str] =
    &["tokio", "hyper", "std::net", "std::thread", "rand", "std::time::Instant::now", "std::time::SystemTime::now"];

/// Every stream of bytes and every task.
const STREAMS_AND_TASKS: &[&str] =
    &["tokio::net", "tokio::io", "tokio::task", "tokio::spawn", "tokio::runtime", "hyper", "std::net::TcpStream"];

/// The table, from the ground up.
pub(crate) const RULES: &[Rule] = &[
    // two crates without a world around them
    rule("crates/wse-frame/src", OUTSIDE, "frames are values: time, chance and bytes are arguments"),
    rule("crates/wse-frame/src", &["wse", "wse_proto", "wse_test"], "frames know nothing of what they carry"),
    rule("crates/wse-proto/src", OUTSIDE, "the protocol is a value: time and random bits are arguments"),
    rule("crates/wse-proto/src", &["wse", "wse_frame", "wse_test"], "envelopes know nothing of what carries them"),
    // the protocol: values, then the machines that use them
    rule(
        "crates/wse-proto/src/wire",
        &[
            "crates/wse-proto/src/calls",
            "crates/wse-proto/src/session",
            "crates/wse-proto/src/closing",
            "crates/wse-proto/src/protocol",
            "crates/wse-proto/src/machine",
        ],
        "bytes and envelopes are the ground that the rest stands on",
    ),
    rule(
        "crates/wse-proto/src/calls",
        &["crates/wse-proto/src/session", "crates/wse-proto/src/protocol", "crates/wse-proto/src/machine"],
        "a call is a value; a machine uses it",
    ),
    rule(
        "crates/wse-proto/src/session",
        &["crates/wse-proto/src/protocol", "crates/wse-proto/src/machine"],
        "a session is a value; a machine uses it",
    ),
    rule(
        "crates/wse-proto/src/closing",
        &["crates/wse-proto/src/session", "crates/wse-proto/src/protocol", "crates/wse-proto/src/machine"],
        "a reason is a value; a machine uses it",
    ),
    // the library: what applications hand in, sessions, connections, then a server and a client
    rule(
        "crates/wse/src/app",
        &[
            "crates/wse/src/session",
            "crates/wse/src/connection",
            "crates/wse/src/server",
            "crates/wse/src/client",
            "wse_frame",
        ],
        "what the application hands in knows no connection and no user",
    ),
    rule("crates/wse/src/app", STREAMS_AND_TASKS, "what the application hands in knows no socket"),
    rule(
        "crates/wse/src/session",
        &["crates/wse/src/app", "crates/wse/src/connection", "crates/wse/src/server", "crates/wse/src/client"],
        "a session outlives its connections, so it holds none",
    ),
    rule("crates/wse/src/session", STREAMS_AND_TASKS, "a session is a value: it holds no stream and no task"),
    rule(
        "crates/wse/src/connection",
        &["crates/wse/src/server", "crates/wse/src/client"],
        "a connection knows no user and no server; its owner does",
    ),
    rule(
        "crates/wse/src/connection",
        &["tokio::net", "hyper", "std::net::TcpStream"],
        "a connection runs over any stream; server and client open it",
    ),
    rule(
        "crates/wse/src",
        &["crates/wse/src/connection/parked.rs#Handover"],
        "one file moves a stream from one task to another",
    )
    .except(&["crates/wse/src/connection/parked.rs", "crates/wse/src/connection/resume.rs"]),
    rule("crates/wse/src/server", &["crates/wse/src/client"], "a server is no client"),
    rule("crates/wse/src/client", &["crates/wse/src/server"], "a client is no server"),
    rule("crates/wse/src/server/admission", &["crates/wse/src/server/users"], "before the verdict there is no user"),
    rule(
        "crates/wse/src/server/users",
        &["crates/wse/src/server/admission"],
        "who is there does not depend on how they came in",
    ),
    rule(
        "crates/wse/src/server/users",
        &["tokio::net", "hyper", "std::net::TcpStream"],
        "users are reached through their connections",
    ),
    rule(
        "crates/wse/src/server/cluster",
        &["crates/wse/src/server/admission", "tokio::net", "hyper", "std::net::TcpStream"],
        "other nodes are reached over a bus, and their messages go to users who are there",
    ),
    rule("crates/wse/src", &["wse_test"], "the kit for tests stands on the library"),
    // engines of a cluster
    rule("crates/wse-nats/src", &["wse"], "an engine knows the cluster's trait alone").except(&["wse::cluster"]),
    rule("crates/wse-redis/src", &["wse"], "an engine knows the cluster's trait alone").except(&["wse::cluster"]),
];
