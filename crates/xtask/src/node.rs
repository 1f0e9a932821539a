//! Shared by the steps that need Node: the tools, the packages, the count of a test run.
//! A machine without Node or a network skips those steps.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::running::{output_of, tee};
use crate::screen;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The files that decide which packages are installed.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];
/// The codes of npm for errors of the network.
const OFFLINE: [&str; 11] = [
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "E502",
    "E503",
    "E504",
];
const MOMENT: Duration = Duration::from_secs(60);
const BUILD: Duration = Duration::from_secs(600);
const INSTALL: Duration = Duration::from_secs(300);

/// Checks that there is npm, and Node in this version or newer; the error says what is missing.
pub(crate) fn tools(needed: (u32, u32)) -> Result<(), String> {
    let asked = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version");
        output_of(command, MOMENT).map_err(|why| format!("no {program} ({why})"))
    };
    let version = asked("node")?;
    let version = version.trim();
    if release(version).is_none_or(|found| found < needed) {
        return Err(format!("Node {version}, {}.{} or newer is needed", needed.0, needed.1));
    }
    asked("npm").map(|_| ())
}

/// `v20.1.0` as 20 and 1.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// Installs the packages that the manifests of a folder name, unless they are installed already.
/// Returns a reason to skip when the network does not provide them.
pub(crate) fn install(folder: &Path) -> Result<Option<String>, String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let marker = folder.join("node_modules/.installed");
    let mut wanted = String::new();
    for name in MANIFESTS {
        let path = folder.join(name);
        wanted.push_str(&std::fs::read_to_string(&path).map_err(|e| failed(&path, e))?);
    }
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(None);
    }
    screen::say("installing the npm packages, this happens once");
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let mut offline = None;
    let status = tee(npm, INSTALL, |line| offline = offline.take().or_else(|| unreachable(line)));
    match (status, offline) {
        (Ok(status), _) if status.success() => {
            std::fs::write(&marker, wanted).map_err(|e| failed(&marker, e))?;
            Ok(None)
        }
        (_, Some(why)) => Ok(Some(format!("the packages cannot be fetched ({why})"))),
        (Ok(status), None) => Err(format!("npm ci ended with {status}")),
        // npm retries until the limit when no host answers
        (Err(why), None) => Ok(Some(format!("the packages cannot be fetched ({why})"))),
    }
}

/// Installs the packages that a folder of the tree pins, in a folder of that name below the build output,
/// and returns that one. The inner error is a reason to skip.
pub(crate) fn packages(workspace: &Workspace, source: &str, name: &str) -> Result<Result<PathBuf, String>, String> {
    let folder = workspace.target.join(name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for name in MANIFESTS {
        let manifest = workspace.root.join(source).join(name);
        std::fs::copy(manifest, folder.join(name)).map_err(|e| format!("{source}/{name}: {e}"))?;
    }
    Ok(install(&folder)?.map_or(Ok(folder), Err))
}

/// The code of npm's error, when it is an error of the network.
fn unreachable(line: &str) -> Option<String> {
    let code = line.strip_prefix("npm error code ").or_else(|| line.strip_prefix("npm ERR! code "))?.trim();
    OFFLINE.contains(&code).then(|| code.to_owned())
}

/// Builds examples that tests drive, with the profile and features of the step `tests`.
pub(crate) fn build(workspace: &Workspace, examples: &[&str]) -> Result<(), String> {
    let mut command = workspace.cargo();
    command.args(["build", "--workspace"]);
    examples.iter().for_each(|example| _ = command.args(["--example", example]));
    let status = tee(command, BUILD, |_| {})?;
    if status.success() { Ok(()) } else { Err(format!("{} do not compile", examples.join(", "))) }
}

/// The files of a folder whose names end like this: by name, since Node's own search differs between its versions.
pub(crate) fn test_files(folder: &Path, end: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let of_tests = |path: &PathBuf| path.to_string_lossy().ends_with(end);
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(of_tests).collect();
    files.sort();
    if files.is_empty() { Err(format!("{} holds no tests", folder.display())) } else { Ok(files) }
}

/// Runs tests and counts them: `read` knows a line that tells how many there were.
pub(crate) fn count(mut tests: Command, limit: Duration, read: fn(&str) -> Option<Tally>) -> Tally {
    tests.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
    let mut tally = Tally::default();
    let status = tee(tests, limit, |line| {
        if let Some(part) = read(line) {
            tally += part;
        }
    });
    // a run that did not load, crashed or hung prints no totals; it counts as a failure
    match status.map(|status| (status.success(), format!("it ended with {status}"))) {
        Ok((true, _)) if tally.passed > 0 => {}
        Ok(_) if tally.failed > 0 => {}
        Ok((_, why)) | Err(why) => {
            screen::say(why);
            tally += Tally::FAILED;
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_node_is_read_and_compared() {
        assert_eq!(release("v20.20.2"), Some((20, 20)));
        assert!(release("v18.14.9").unwrap() < (18, 15));
        assert!(release("v18.15.0").unwrap() >= (18, 15));
        for odd in ["", "20.1.0", "v20", "vx.1"] {
            assert_eq!(release(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_the_networks_errors_are_no_failure() {
        assert_eq!(unreachable("npm error code ENOTFOUND").as_deref(), Some("ENOTFOUND"));
        assert_eq!(unreachable("npm ERR! code EAI_AGAIN").as_deref(), Some("EAI_AGAIN"));
        for line in ["npm error code EUSAGE", "npm error code EINTEGRITY", "npm warn ENOTFOUND", ""] {
            assert_eq!(unreachable(line), None, "{line}");
        }
    }

    #[test]
    fn a_folder_without_tests_is_an_error() {
        assert!(test_files(Path::new("there-is-no-such-folder"), ".test.js").is_err());
        assert!(test_files(Path::new("src"), ".test.js").unwrap_err().ends_with("holds no tests"));
    }
}
