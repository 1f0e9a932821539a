//! The commands of `cargo xtask` and the steps of `cargo xtask test`: reads the command and hands over.
//! It does no work of a command itself, and a command that fails never ends in a panic.

mod autobahn;
mod browser;
mod cargo;
mod client;
mod cluster;
mod cost;
mod debian;
mod fuzz;
mod house;
mod interop;
mod node;
mod proxies;
mod report;
mod running;
mod runtimes;
mod screen;
mod soak;
mod step;
mod suite;
mod tally;
mod workspace;

use std::process::ExitCode;

use house::{map, snippets};
use step::{Outcome, Step};
use workspace::Workspace;

/// What `cargo xtask` can be asked to do: the name, its arguments and one line about it.
const COMMANDS: [(&str, &str, &str); 6] = [
    ("test", " [STEP]...", "runs every step, or only those named, and prints totals"),
    ("autobahn", "", "runs the Autobahn suite against wse-frame's echo examples, both roles"),
    (
        "soak",
        " [SECONDS]",
        "runs the simulations on fresh seeds: sessions for 60 s or so many, nodes 2,000 times a mode",
    ),
    ("cost", "", "counts instructions a message as the step does, and writes the figures it compares with"),
    ("snippets", "", "checks that the documents' Rust blocks are compiled and their commands exist"),
    ("map", "", "writes the map of the code, docs/design/map.md, of the first sentence of every file"),
];

/// Everything `cargo xtask test` runs: what takes a moment, then two lanes. The first step beside others builds in a
/// profile of its own, so that it waits for no build of the other lane.
const STEPS: [Step; 14] = [
    step("format", "cargo fmt --check", cargo::format),
    step("house", "the rules of the tree: rooms, circles, headings, lengths, documents, logs, contract", house::check),
    beside("cost", "instructions a message against the committed figures (valgrind)", cost::check),
    beside("interop", "npm ws-messaging against testbed and test client (Node, npm)", interop::run),
    beside("client", "the TypeScript client: alone and against the testbed (Node, npm)", client::run),
    beside(
        "runtimes",
        "the TypeScript client in Jest with jsdom and on Node's own WebSocket (Node, npm)",
        runtimes::run,
    ),
    beside("browser", "the page of the chat and the client in headless Chromium (Node, npm, Chromium)", browser::run),
    step("lints", "clippy with warnings as errors, with and without features", cargo::lints),
    step("docs", "rustdoc with warnings as errors", cargo::docs),
    step("tests", "unit, property, integration and doc tests", cargo::tests),
    step("proxies", "behind a real nginx and HAProxy (Debian's packages)", proxies::run),
    step("cluster", "clusters over real NATS, Redis and Valkey (Debian's packages, pip)", cluster::run),
    step("fuzz", "every fuzz target for 10 s (nightly and cargo-fuzz)", fuzz::run),
    step("autobahn", "the Autobahn suite, server and client role (Python 2.7)", autobahn::run),
];

type Run = fn(&Workspace) -> Result<Outcome, String>;

const fn step(name: &'static str, about: &'static str, run: Run) -> Step {
    Step { name, about, beside: false, run }
}

const fn beside(name: &'static str, about: &'static str, run: Run) -> Step {
    Step { name, about, beside: true, run }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        screen::say(usage());
        return ExitCode::SUCCESS;
    };
    let steps = match (command.as_str(), rest) {
        ("help" | "--help" | "-h", _) => {
            screen::say(usage());
            return ExitCode::SUCCESS;
        }
        ("soak", [] | [_]) => return ended(soak::run(rest.first().map(String::as_str))),
        ("cost", []) => return ended(Workspace::find().and_then(|workspace| cost::renew(&workspace))),
        ("map", []) => return ended(Workspace::find().and_then(|workspace| map::write(&workspace))),
        ("test", names) => chosen(names),
        ("autobahn", []) => chosen(&[String::from("autobahn")]),
        ("snippets", []) => Ok(vec![step("snippets", "the documents' Rust blocks and commands", snippets::check)]),
        _ => Err(format!("cannot do `{}`", args.join(" "))),
    };
    let steps = match steps {
        Ok(steps) => steps,
        Err(why) => return refuse(&format!("{why}\n\n{}", usage())),
    };
    match Workspace::find() {
        Ok(workspace) if step::run_all(&steps, &workspace).failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => refuse(&why),
    }
}

/// How a command that is no list of steps has ended.
fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            screen::say(format!("xtask: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Nothing was run: not the same as a run with failures.
fn refuse(why: &str) -> ExitCode {
    screen::say(format!("xtask: {why}"));
    ExitCode::from(2)
}

/// The steps with these names in the table's order, all of them when no name is given.
fn chosen(names: &[String]) -> Result<Vec<Step>, String> {
    if let Some(name) = names.iter().find(|name| STEPS.iter().all(|step| step.name != *name)) {
        return Err(format!("no step is called `{name}`"));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).copied().collect())
}

fn usage() -> String {
    let mut text = String::from("Commands:\n");
    for (name, arguments, about) in COMMANDS {
        text.push_str(&format!("  {:32}{about}\n", format!("cargo xtask {name}{arguments}")));
    }
    text.push_str("Steps of `cargo xtask test`, in order:\n");
    for step in &STEPS {
        text.push_str(&format!("  {:32}{}\n", step.name, step.about));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn without_names_every_step_runs_in_order() {
        let all = names(&STEPS).join(" ");
        assert_eq!(names(&chosen(&[]).unwrap()).join(" "), all);
        assert_eq!(
            all,
            "format house cost interop client runtimes browser lints docs tests proxies cluster fuzz autobahn"
        );
    }

    #[test]
    fn named_steps_run_in_the_order_of_the_table() {
        let steps = chosen(&["tests".into(), "format".into()]).unwrap();
        assert_eq!(names(&steps), ["format", "tests"]);
    }

    #[test]
    fn an_unknown_step_is_refused_by_name() {
        assert!(chosen(&["tsets".into()]).unwrap_err().contains("tsets"));
    }

    #[test]
    fn the_usage_lists_every_command_and_every_step() {
        let text = usage();
        assert!(COMMANDS.iter().all(|(name, ..)| text.contains(name)));
        assert!(STEPS.iter().all(|step| text.contains(step.name)));
    }
}
