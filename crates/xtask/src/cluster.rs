//! Runs the tests of clusters over real engines: each bus against the oldest and the newest engine that is supported,
//! and three servers over some of them. What cannot be installed here is skipped, and said.

mod engine;

use std::time::Duration;

use crate::cargo;
use crate::node;
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;
use engine::{Engine, provide};

const LIMIT: Duration = Duration::from_secs(600);
/// Tests that run at once. Each has an engine of its own, and most of them wait.
const THREADS: &str = "--test-threads=6";

/// A program of tests, and the names of those that need an engine.
struct Program {
    name: &'static str,
    needs: &'static [(Engine, &'static [&'static str])],
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "nats_engines",
        needs: &[
            (Engine::OldNats, &["alone::oldest"]),
            (Engine::NewNats, &["alone::newest", "cluster::", "login::", "outside::"]),
        ],
    },
    Program {
        name: "redis_engines",
        needs: &[
            (Engine::OldRedis, &["alone::oldest", "cluster::", "login::", "outside::", "silence::", "slots::"]),
            (Engine::Valkey, &["alone::newest"]),
        ],
    },
    Program {
        name: "engines",
        needs: &[(Engine::NewNats, &["_over_nats"]), (Engine::OldRedis, &["_over_redis", "_over_a_redis_cluster"])],
    },
];

/// Every program of tests, without those whose engine is missing; each test counts as one, and each missing engine as
/// one that was skipped.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    let mut missing = Vec::new();
    let mut why = Vec::new();
    for engine in Engine::ALL {
        match provide(engine, &workspace.target) {
            Ok(version) => screen::say(format!("engine: {version}")),
            Err(error) => {
                screen::say(format!("engine skipped: {error}"));
                missing.push(engine);
                why.push(error);
            }
        }
    }
    if missing.len() == Engine::ALL.len() {
        return Ok(Outcome::Skipped(why.join("; ")));
    }
    node::build(workspace, &["testbed"])?;
    let mut tally = Tally { skipped: missing.len(), ..Tally::default() };
    for program in PROGRAMS.iter().filter(|program| program.needs.iter().any(|(engine, _)| !missing.contains(engine))) {
        let mut arguments = vec!["test", "--workspace", "--test", program.name, "--", THREADS];
        arguments.extend(skips(program, &missing));
        tally += cargo::count(workspace, &arguments, LIMIT);
    }
    Ok(Outcome::Ran(tally))
}

/// The arguments that leave out the tests whose engine is missing.
fn skips(program: &Program, missing: &[Engine]) -> Vec<&'static str> {
    let left_out = program.needs.iter().filter(|(engine, _)| missing.contains(engine));
    left_out.flat_map(|(_, tests)| tests.iter()).flat_map(|test| ["--skip", test]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_without_their_engine_are_left_out() {
        let [nats, redis, servers] = &PROGRAMS;
        assert!(skips(nats, &[Engine::OldRedis]).is_empty());
        assert_eq!(skips(nats, &[Engine::OldNats]), ["--skip", "alone::oldest"]);
        assert_eq!(skips(redis, &[Engine::Valkey, Engine::OldNats]), ["--skip", "alone::newest"]);
        assert_eq!(skips(servers, &[Engine::NewNats]), ["--skip", "_over_nats"]);
    }
}
