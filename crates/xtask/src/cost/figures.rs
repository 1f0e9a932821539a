//! The figures as a file, and how measured ones compare with those committed.
//! Nothing here runs or reads anything.

use std::fmt;

/// A figure may rise by so much before that is a failure, and fall before it is to be renewed.
const PERCENT: u64 = 3;

const HEAD: &str = "\
# Instructions of the testbed a message, under valgrind. `cargo xtask test cost` fails when one rises by more
# than 3 %, and says when one fell by more than that. `cargo xtask cost` measures them anew and writes this file.
";

/// What a scenario takes: instructions for each message, delivery or connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) instructions: u64,
}

/// All figures, and the environment they hold for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) environment: String,
    pub(crate) figures: Vec<Figure>,
}

/// A figure beside the one that was committed. One of them is missing where a scenario is new or gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    name: String,
    committed: Option<u64>,
    measured: Option<u64>,
}

impl Figures {
    /// Reads what [`Display`](fmt::Display) writes. The error names the line.
    pub(crate) fn read(text: &str) -> Result<Figures, String> {
        let mut figures = Figures::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(environment) = line.strip_prefix("environment: ") {
                figures.environment = environment.to_owned();
                continue;
            }
            let figure = line.trim().split_once("  ").and_then(|(number, name)| {
                Some(Figure { name: name.trim().to_owned(), instructions: number.parse().ok()? })
            });
            figures.figures.push(figure.ok_or_else(|| format!("`{line}` is no figure"))?);
        }
        Ok(figures)
    }

    fn of(&self, name: &str) -> Option<u64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.instructions)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nenvironment: {}\n", self.environment)?;
        self.figures.iter().try_for_each(|Figure { name, instructions }| writeln!(f, "{instructions:9}  {name}"))
    }
}

/// Every measured figure beside its committed one, then the committed ones that were not measured.
pub(crate) fn compare(committed: &Figures, measured: &Figures) -> Vec<Compared> {
    let gone = committed.figures.iter().filter(|figure| measured.of(&figure.name).is_none());
    let names = measured.figures.iter().chain(gone).map(|figure| &figure.name);
    let beside =
        |name: &String| Compared { name: name.clone(), committed: committed.of(name), measured: measured.of(name) };
    names.map(beside).collect()
}

impl Compared {
    /// Whether it rose too much, or there is nothing to compare it with.
    pub(crate) fn fails(&self) -> bool {
        match (self.committed, self.measured) {
            (Some(committed), Some(measured)) => rose(committed, measured),
            _ => true,
        }
    }
}

fn rose(from: u64, to: u64) -> bool {
    to * 100 > from * (100 + PERCENT)
}

fn fell(from: u64, to: u64) -> bool {
    to * 100 < from * (100 - PERCENT)
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared { name, committed, measured } = self;
        let (committed, measured) = match (committed, measured) {
            (Some(committed), Some(measured)) => (*committed, *measured),
            (None, _) => {
                return write!(f, "{name}: FAILED, there is no committed figure; `cargo xtask cost` writes it");
            }
            (_, None) => return write!(f, "{name}: FAILED, nothing measures it; `cargo xtask cost` removes it"),
        };
        let percent = (measured as f64 / committed as f64 - 1.0) * 100.0;
        write!(f, "{name}: {measured} instructions, {percent:+.1} %")?;
        match () {
            () if rose(committed, measured) => write!(f, ": FAILED, it was {committed}"),
            () if fell(committed, measured) => write!(f, ": fell from {committed}, `cargo xtask cost` holds it"),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(of: &[(&str, u64)]) -> Figures {
        let figure = |(name, instructions): &(&str, u64)| Figure { name: (*name).into(), instructions: *instructions };
        Figures { environment: "here".into(), figures: of.iter().map(figure).collect() }
    }

    fn one(committed: u64, measured: u64) -> (bool, String) {
        let mut compared = compare(&figures(&[("echo", committed)]), &figures(&[("echo", measured)]));
        assert_eq!(compared.len(), 1);
        let compared = compared.remove(0);
        (compared.fails(), compared.to_string())
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let written = figures(&[("echo 64 B", 4302), ("open", 61_000)]);
        assert_eq!(Figures::read(&written.to_string()), Ok(written));
    }

    #[test]
    fn a_line_that_is_no_figure_is_named() {
        for line in ["many  echo", "4302", "4302 echo", "-1  echo"] {
            assert_eq!(Figures::read(&format!("environment: here\n{line}\n")), Err(format!("`{line}` is no figure")));
        }
    }

    #[test]
    fn three_percent_more_pass_and_one_instruction_beyond_fails() {
        assert_eq!(one(1000, 1030), (false, "echo: 1030 instructions, +3.0 %".into()));
        assert_eq!(one(1000, 1031), (true, "echo: 1031 instructions, +3.1 %: FAILED, it was 1000".into()));
    }

    #[test]
    fn a_fall_is_told_and_does_not_fail() {
        assert_eq!(one(1000, 970), (false, "echo: 970 instructions, -3.0 %".into()));
        let (fails, told) = one(1000, 969);
        assert!(!fails);
        assert_eq!(told, "echo: 969 instructions, -3.1 %: fell from 1000, `cargo xtask cost` holds it");
    }

    #[test]
    fn a_scenario_without_a_figure_and_a_figure_without_a_scenario_fail() {
        let compared = compare(&figures(&[("old", 1)]), &figures(&[("new", 1)]));
        let told: Vec<String> = compared.iter().map(Compared::to_string).collect();
        assert!(compared.iter().all(Compared::fails));
        assert!(told[0].starts_with("new: FAILED") && told[1].starts_with("old: FAILED"), "{told:?}");
    }
}
