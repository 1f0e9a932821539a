//! Counts the instructions a message that the testbed takes, under valgrind, and compares them with the committed figures.
//! A count does not depend on how busy the machine is, so that a rise of a few percent is one of the code.

mod callgrind;
mod device;
mod environment;
mod figures;
mod scenarios;

use std::time::Duration;

use crate::debian;
use crate::running::tee;
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;
use callgrind::Testbed;
use figures::{Figure, Figures};
use scenarios::SCENARIOS;

/// The committed figures, from the root of the tree.
const FILE: &str = "crates/xtask/src/cost/figures.txt";
const BUILD: Duration = Duration::from_secs(900);

/// Compares every scenario with its committed figure; each counts as one test. Where the figures are of
/// another environment, or nothing can be counted, the step is skipped.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, String> {
    if let Err(why) = provide() {
        return Ok(Outcome::Skipped(why));
    }
    let committed = Figures::read(&workspace.text(FILE).unwrap_or_default()).map_err(|why| format!("{FILE}: {why}"))?;
    let here = environment::here(workspace)?;
    if here != committed.environment {
        let of = &committed.environment;
        return Ok(Outcome::Skipped(format!("the figures are of {of}, and this is {here}, which does not compare")));
    }
    let measured = match measure(workspace, here)? {
        Ok(measured) => measured,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let mut tally = Tally::default();
    for line in figures::compare(&committed, &measured) {
        screen::say(&line);
        tally += if line.fails() { Tally::FAILED } else { Tally::PASSED };
    }
    Ok(Outcome::Ran(tally))
}

/// Measures every scenario and writes the figures. The error says why nothing was written.
pub(crate) fn renew(workspace: &Workspace) -> Result<(), String> {
    provide()?;
    let measured = measure(workspace, environment::here(workspace)?)??;
    std::fs::write(workspace.root.join(FILE), measured.to_string()).map_err(|e| format!("{FILE}: {e}"))?;
    screen::say(format!("wrote {FILE}"));
    Ok(())
}

fn provide() -> Result<(), String> {
    debian::provide(&["valgrind"], &[&["/usr/bin/valgrind"], &["/usr/bin/vgdb"]])
}

/// Counts all scenarios, one after the other, in one testbed. The inner error says why nothing can be counted here.
fn measure(workspace: &Workspace, environment: String) -> Result<Result<Figures, String>, String> {
    build(workspace)?;
    let mut testbed = Testbed::start(workspace)?;
    if let Err(why) = testbed.instructions() {
        return Ok(Err(format!("valgrind cannot be asked: {why}")));
    }
    let mut figures = Figures { environment, figures: Vec::new() };
    for scenario in &SCENARIOS {
        let instructions = scenario.run(&mut testbed).map_err(|why| format!("{}: {why}", scenario.name))?;
        screen::say(format!("{instructions:9}  {}", scenario.name));
        figures.figures.push(Figure { name: scenario.name.to_owned(), instructions });
    }
    Ok(Ok(figures))
}

fn build(workspace: &Workspace) -> Result<(), String> {
    let mut command = workspace.cargo();
    command.args(["build", "--release", "-p", "wse", "--example", "testbed"]);
    let status = tee(command, BUILD, |_| {})?;
    if status.success() { Ok(()) } else { Err("the testbed does not compile".into()) }
}
