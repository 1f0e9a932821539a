//! Programs of Debian that a step needs: finds them, and installs them where that is possible.
//! It installs nothing unless a program is missing and this user may.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::running::{output_of, tee};
use crate::screen;

const MOMENT: Duration = Duration::from_secs(60);
const INSTALL: Duration = Duration::from_secs(300);
/// Held while packages are installed: of two that install at once, apt-get refuses the second.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that one of the files of each group is there; `packages` bring them. The error says what
/// is missing.
pub(crate) fn provide(packages: &[&str], programs: &[&[&str]]) -> Result<(), String> {
    let there = || programs.iter().all(|files| files.iter().any(|file| Path::new(file).exists()));
    if there() {
        return Ok(());
    }
    let names = packages.join(" and ");
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("no {names}, and no right to install"));
    }
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    screen::say(format!("installing {names}, this happens once"));
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    for arguments in [&["update"][..], &install] {
        let mut apt = Command::new("apt-get");
        apt.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        // whether it worked is checked below
        let _ = tee(apt, INSTALL, |_| {});
    }
    if there() { Ok(()) } else { Err(format!("{names} cannot be installed")) }
}

fn is_root() -> bool {
    let mut user = Command::new("id");
    user.arg("-u");
    output_of(user, MOMENT).is_ok_and(|user| user.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_installed_when_each_group_has_a_file() {
        assert_eq!(provide(&["no-such-package"], &[&["/no/such/file", "/"], &["/"]]), Ok(()));
    }
}
