//! What a count of instructions depends on besides the code: compiler, target, C library, vector instructions.
//! It says so in one line, and only an equal line makes counts comparable.

use std::process::Command;
use std::time::Duration;

use crate::running::output_of;
use crate::workspace::Workspace;

const MOMENT: Duration = Duration::from_secs(60);

/// This machine, as in `rustc 1.95.0, x86_64-unknown-linux-gnu, glibc 2.36, AVX2`. An x86 processor under
/// valgrind is one of few that valgrind invents, by whether the real one has AVX2.
pub(crate) fn here(workspace: &Workspace) -> Result<String, String> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&workspace.root).arg("-vV");
    let mut getconf = Command::new("getconf");
    getconf.arg("GNU_LIBC_VERSION");
    let libc = output_of(getconf, MOMENT).unwrap_or_default();
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Ok(described(&output_of(rustc, MOMENT)?, &libc, &processor))
}

fn described(rustc: &str, libc: &str, processor: &str) -> String {
    let of = |field: &str| rustc.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("unknown").trim();
    let libc = if libc.trim().is_empty() { "no glibc" } else { libc.trim() };
    let avx2 = processor.split_whitespace().any(|flag| flag == "avx2");
    let vectors = if avx2 { "AVX2" } else { "no AVX2" };
    format!("rustc {}, {}, {libc}, {vectors}", of("release:"), of("host:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_compiler_target_libc_and_vectors() {
        let rustc = "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(
            described(rustc, "glibc 2.36\n", "flags\t: fpu avx avx2 bmi2\n"),
            "rustc 1.95.0, x86_64-unknown-linux-gnu, glibc 2.36, AVX2"
        );
        assert_eq!(
            described("host: aarch64-apple-darwin\nrelease: 1.96.0-beta.1", "", ""),
            "rustc 1.96.0-beta.1, aarch64-apple-darwin, no glibc, no AVX2"
        );
    }
}
