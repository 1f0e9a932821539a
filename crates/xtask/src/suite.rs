//! `Suite`: the Autobahn test suite, installed once below the build output, run by a Python 2.7.
//! It installs nothing elsewhere, and listens on the loopback address alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::running::{Running, output_of};
use crate::screen;

/// The suite and its dependencies, in the last versions that work together and with Python 2.7.
/// Their own dependencies release nothing more for Python 2.7, so they need no pins.
const PINS: [&str; 16] = [
    "setuptools==44.0.0",
    "txaio==2.1.0",
    "incremental==16.10.1",
    "six==1.16.0",
    "zope.interface==4.6.0",
    "autobahn==0.10.9",
    "jinja2==2.11.3",
    "markupsafe==1.1.1",
    "Werkzeug==1.0.1",
    "klein==17.10.0",
    "Twisted==19.10.0",
    "pyOpenSSL==19.1.0",
    "cryptography==3.3.2",
    "service_identity==18.1.0",
    "autobahntestsuite==25.10.1",
    // Masks and UTF-8 in C, or the cases of compression take hours.
    "wsaccel==0.6.2",
];

/// Runs the suite from the folder it is given; says `ready` when it listens.
const SCRIPT: &str = "\
# Written by cargo xtask. Usage: wstest.py SITE ARGUMENTS...
import site
import sys

site.addsitedir(sys.argv[1])
import autobahntestsuite.wstest as wstest

listen = wstest.reactor.listenTCP


def listen_on_loopback(port, factory, backlog=50, interface=''):
    listening = listen(port, factory, backlog, '127.0.0.1')
    print('ready 127.0.0.1:%d' % port)
    return listening


wstest.reactor.listenTCP = listen_on_loopback
sys.argv = ['wstest'] + sys.argv[2:]
wstest.run()
";

const INSTALL: Duration = Duration::from_secs(300);

/// An installed suite.
pub(crate) struct Suite {
    python: PathBuf,
    folder: PathBuf,
}

impl Suite {
    /// Finds a Python 2.7 and installs the suite if it is missing; the error says why it cannot.
    pub(crate) fn find(folder: PathBuf) -> Result<Suite, String> {
        let python = python().ok_or("no Python 2.7, neither on PATH nor among pyenv's versions")?;
        let suite = Suite { python, folder };
        suite.install()?;
        Ok(suite)
    }

    /// Starts `wstest` in a mode, with its specification; it logs into the folder.
    pub(crate) fn start(&self, mode: &str, specification: &serde_json::Value) -> Result<Running, String> {
        self.write(&format!("{mode}.json"), &specification.to_string())?;
        let log = File::create(self.log(mode)).map_err(|e| format!("cannot write a log: {e}"))?;
        Running::start_into(self.command(mode), log)
    }

    /// Starts a mode that listens; its output, up to `ready`, is for the caller.
    pub(crate) fn listen(&self, mode: &str, specification: &serde_json::Value) -> Result<Running, String> {
        self.write(&format!("{mode}.json"), &specification.to_string())?;
        Running::start(self.command(mode))
    }

    /// Where a mode started by [`Suite::start`] logs.
    pub(crate) fn log(&self, mode: &str) -> PathBuf {
        self.folder.join(format!("{mode}.log"))
    }

    fn command(&self, mode: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.folder).arg("-u").arg("wstest.py").arg("site");
        command.args(["-u", "0", "-m", mode, "-s", &format!("{mode}.json")]);
        command
    }

    fn install(&self) -> Result<(), String> {
        let marker = self.folder.join("installed");
        let wanted = PINS.join("\n");
        std::fs::create_dir_all(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        self.write("wstest.py", SCRIPT)?;
        if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        screen::say("installing the Autobahn suite, this happens once");
        let site = self.folder.join("site");
        let _ = std::fs::remove_dir_all(&site);
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "install", "--no-input", "--target"]).arg(&site).args(PINS);
        output_of(pip, INSTALL).map_err(|why| format!("cannot install the suite: {why}"))?;
        self.write("installed", &wanted)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        std::fs::write(self.folder.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))
    }
}

/// The first Python 2.7 that starts: the one on PATH, then pyenv's, the newest first.
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let versions = pyenv.into_iter().chain(home).flat_map(|root| pyenv_pythons(&root));
    std::iter::once(PathBuf::from("python2.7")).chain(versions).find(|python| {
        // pyenv's stand-in on PATH exists and refuses to run, so that only trying tells
        let mut command = Command::new(python);
        command.args(["-c", "import sys; assert sys.version_info[:2] == (2, 7)"]);
        output_of(command, Duration::from_secs(20)).is_ok()
    })
}

fn pyenv_pythons(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join("versions")) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("2.7"))
        .map(|entry| entry.path().join("bin/python2.7"))
        .collect();
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_exact() {
        assert!(
            PINS.iter()
                .all(|pin| pin.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()))
        );
    }

    #[test]
    fn a_folder_that_is_no_pyenv_has_no_pythons() {
        assert!(pyenv_pythons(Path::new("there-is-no-such-folder")).is_empty());
    }
}
