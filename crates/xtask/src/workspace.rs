//! `Workspace`: where the tree and its build output are, and what cargo knows about its packages.
//! It never writes anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::running::output_of;

/// The checkout this run is about.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// Every package with the names of its examples.
    pub(crate) packages: BTreeMap<String, Vec<String>>,
}

impl Workspace {
    /// Asks cargo, starting from the current directory.
    pub(crate) fn find() -> Result<Workspace, String> {
        let mut command = cargo_at(Path::new("."));
        command.args(["metadata", "--format-version=1", "--no-deps", "--quiet"]);
        let text = output_of(command, Duration::from_secs(120))?;
        // cargo may warn before it answers; the answer is the one line that is an object
        let json = text.lines().find(|line| line.starts_with('{')).unwrap_or_default();
        Workspace::from_metadata(json)
    }

    fn from_metadata(json: &str) -> Result<Workspace, String> {
        let value: Value = serde_json::from_str(json).map_err(|e| format!("cargo metadata: {e}"))?;
        let path = |name: &str| value[name].as_str().map(PathBuf::from).ok_or(format!("cargo metadata has no {name}"));
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = list(&value["packages"])
            .iter()
            .map(|package| {
                let examples = list(&package["targets"])
                    .iter()
                    .filter(|target| list(&target["kind"]).iter().any(|kind| kind == "example"))
                    .map(|target| text(&target["name"]))
                    .collect();
                (text(&package["name"]), examples)
            })
            .collect();
        Ok(Workspace { root: path("workspace_root")?, target: path("target_directory")?, packages })
    }

    /// A `cargo` command that runs in the root of the tree.
    pub(crate) fn cargo(&self) -> Command {
        cargo_at(&self.root)
    }

    /// The binary of an example built in the dev profile.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.built("debug", name)
    }

    /// The binary of an example built in the release profile.
    pub(crate) fn released_example(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// The files of the tree that are tracked or about to be, as paths from the root.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let mut git = Command::new("git");
        // only reads: a clone that somebody else owns is fine
        git.current_dir(&self.root).args(["-c", "safe.directory=*", "-c", "core.quotePath=off"]);
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let text = output_of(git, Duration::from_secs(60))?;
        let mut files: Vec<String> = text.lines().map(str::to_owned).collect();
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file of the tree; `None` when there is no such file.
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        let bytes = std::fs::read(self.root.join(file)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `cargo run` describes xtask itself in the environment. Passed on, that would make build scripts
/// which look at it run again, so a child gets the environment the user had.
fn cargo_at(directory: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(directory);
    for (name, _) in std::env::vars_os() {
        let of_xtask = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|p| name.starts_with(p))
        });
        if of_xtask {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_tells_the_packages_and_their_examples() {
        let json = r#"{"workspace_root":"/r","target_directory":"/t","packages":[
            {"name":"a","targets":[{"kind":["lib"],"name":"a"},{"kind":["example"],"name":"chat"}]},
            {"name":"b","targets":[]}]}"#;
        let workspace = Workspace::from_metadata(json).unwrap();
        assert_eq!(workspace.root, Path::new("/r"));
        assert_eq!(workspace.packages["a"], ["chat"]);
        assert!(workspace.packages["b"].is_empty());
        assert!(workspace.example("chat").starts_with("/t/debug/examples"));
        assert!(workspace.released_example("chat").starts_with("/t/release/examples"));
    }

    #[test]
    fn metadata_without_a_root_is_an_error() {
        assert!(Workspace::from_metadata("{}").is_err());
        assert!(Workspace::from_metadata("").is_err());
    }
}
