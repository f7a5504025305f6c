//! What the kernel tells of a process.

use std::fs;

use plimsoll_model::time::Nanos;

/// CPU time of process `pid` so far, user and system, to the kernel's tick (10 ms as a rule).
pub fn cpu(pid: u32) -> Option<Nanos> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces: the fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Nanos::from_secs_f64((user + system) as f64 / per_second as f64))
}

/// CPU time of this process so far.
pub fn own_cpu() -> Nanos {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Peak resident memory of process `pid`, bytes.
pub fn peak_rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_run_and_has_memory() {
        let pid = std::process::id();
        assert!(peak_rss(pid).unwrap() > 100_000);
        let before = own_cpu();
        let mut x = 0u64;
        while own_cpu() - before < Nanos::from_millis(30) {
            x = std::hint::black_box(x + 1);
        }
        // The tick's resolution aside, both clocks count the same.
        assert!(cpu(pid).unwrap() >= Nanos::from_millis(20));
    }
}
