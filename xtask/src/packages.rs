//! Programs that tests need, and the Debian packages that bring them.

use std::env;
use std::path::Path;
use std::process::Command;

/// A program some tests start.
#[derive(Debug)]
pub struct Needed {
    /// The program.
    pub program: &'static str,
    /// Debian's package with it.
    pub package: &'static str,
    /// What the names of the tests that need it have in common.
    pub tests: &'static str,
}

/// Every program that some test needs beside Rust and a C compiler.
pub const NEEDED: &[Needed] = &[Needed { program: "nginx", package: "nginx-light", tests: "nginx" }];

/// Install what is missing, where that is possible; what is missing after that.
pub fn install() -> Vec<&'static Needed> {
    let missing = || NEEDED.iter().filter(|n| !is_installed(n.program)).collect::<Vec<_>>();
    let wanted = missing();
    if !wanted.is_empty() && is_installed("apt-get") {
        let packages: Vec<_> = wanted.iter().map(|n| n.package).collect();
        eprintln!("xtask: installing {}", packages.join(" "));
        // Whether this worked shows in what is missing afterwards.
        let _ = apt(&["update", "-qq"])
            && apt(&[&["install", "-qq", "-y", "--no-install-recommends"], &packages[..]].concat());
    }
    missing()
}

fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::process::Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in sbin, which a plain user's PATH lacks.
    let sbin = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(sbin).any(|dir| Path::new(&dir).join(program).is_file())
}
