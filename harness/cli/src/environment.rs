//! Facts of the machine that bear on a run's figures.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use plimsoll_model::artefact::Environment;
use plimsoll_model::time::Nanos;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Let this process open as many files as it may: each connection is one.
pub fn raise_fd_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, the old limit stands and is reported.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The most connections there is room for, with some descriptors kept for everything else.
pub fn connection_limit() -> u32 {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(files.saturating_sub(128).max(1)).unwrap_or(u32::MAX)
}

/// Gather the facts; the fsync time is that of a file in `dir`, where bundled targets keep their queues.
pub fn gather(dir: &Path) -> Environment {
    let read = |path: &str| fs::read_to_string(path).ok().map(|t| t.trim().to_owned());
    let clock_source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    Environment {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        cpu: read("/proc/cpuinfo").and_then(|t| cpu_model(&t)).unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory_bytes: read("/proc/meminfo").and_then(|t| memory(&t)).unwrap_or(0),
        fd_limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        clock_source: clock_source.unwrap_or_default(),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        fsync: median_fsync(dir).ok(),
    }
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Median of nine fsyncs of 4 KiB.
fn median_fsync(dir: &Path) -> std::io::Result<Nanos> {
    let path = dir.join(".fsync-probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..9 {
        file.write_all(&[0; 4096])?;
        let begun = Instant::now();
        file.sync_all()?;
        times.push(Nanos::from(begun.elapsed()));
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_files() {
        let info = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t: a b";
        assert_eq!(cpu_model(info).as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(memory("MemTotal:       16 kB\nMemFree: 1 kB"), Some(16 * 1024));
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(gather(dir.path()).fsync.is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
