//! Checks the dependencies' licences, offline, from what cargo itself knows.

use std::env;
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseReq};

/// Licences that may be linked into a program under MIT or Apache-2.0 without further duties than a notice.
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "0BSD",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// Check every package of the lock file.
///
/// # Errors
/// Naming all packages whose licence is not allowed, or not told.
pub fn check() -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--format-version=1", "--locked"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| !p.license.as_deref().is_some_and(is_allowed))
        .map(|p| format!("{} {}: {}", p.name, p.version, p.license.as_deref().unwrap_or("no licence told")))
        .collect();
    if !refused.is_empty() {
        bail!("licences that are not allowed:\n  {}", refused.join("\n  "));
    }
    eprintln!("xtask: the licences of all {} packages are allowed", metadata.packages.len());
    Ok(())
}

fn is_allowed(licence: &str) -> bool {
    // Old manifests separate alternatives by a slash.
    let expression = Expression::parse(&licence.replace('/', " OR "));
    expression
        .is_ok_and(|e| e.evaluate(|req: &LicenseReq| ALLOWED.contains(&req.license.to_string().as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternative_that_is_allowed_is_enough_and_a_duty_that_is_not_is_refused() {
        assert!(
            is_allowed("MIT OR Apache-2.0")
                && is_allowed("MIT/Unlicense")
                && is_allowed("GPL-3.0-only OR MIT")
        );
        assert!(is_allowed("Apache-2.0 AND ISC"));
        assert!(
            !is_allowed("GPL-3.0-only") && !is_allowed("MIT AND GPL-2.0-only") && !is_allowed("nonsense")
        );
    }
}
