//! The chores of this workspace, `cargo xtask <command>`: reads the command and hands over.
//! It may never do a chore's work itself, and never end in a panic because a chore failed.

mod autobahn;
mod browser;
mod cargo;
mod client;
mod fuzz;
mod house;
mod interop;
mod links;
mod names;
mod node;
mod report;
mod running;
mod screen;
mod snippets;
mod soak;
mod step;
mod suite;
mod tally;
mod workspace;

use std::process::ExitCode;

use step::{STEPS, Step};
use workspace::Workspace;

/// What `cargo xtask` can be asked to do: the name, its arguments and one line about it.
const COMMANDS: [(&str, &str, &str); 4] = [
    ("test", " [STEP]...", "runs every step, or only those named, and prints totals"),
    ("autobahn", "", "runs the Autobahn suite against wse-frame's echo examples, both roles"),
    ("soak", " [SECONDS]", "runs the simulation of sessions on fresh seeds, for 60 s or so many"),
    ("snippets", "", "checks that the documents' Rust blocks are compiled and README's commands exist"),
];

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
        ("soak", [] | [_]) => {
            return match soak::run(rest.first().map(String::as_str)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    screen::say(format!("xtask: {why}"));
                    ExitCode::FAILURE
                }
            };
        }
        ("test", names) => chosen(names),
        ("autobahn", []) => chosen(&[String::from("autobahn")]),
        ("snippets", []) => Ok(vec![Step {
            name: "snippets",
            about: "the documents' Rust blocks and README's commands",
            run: snippets::check,
        }]),
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
        assert_eq!(all, "format lints docs house tests interop client browser fuzz autobahn");
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
