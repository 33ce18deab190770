//! The most memory that this process has had, as the system counts it.

/// Bytes of memory at the peak: of everything that was in it at once, the command's own code as far as it was touched and
/// files that were mapped included. `None` where the system does not say (other systems than Linux).
pub fn peak_bytes() -> Option<u64> {
    in_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM:     12345 kB`
fn in_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_a_line_of_the_status() {
        assert_eq!(in_status("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(in_status("Name:\tx\nVmHWM:\t\n"), None);
        assert_eq!(peak_bytes().is_some(), cfg!(target_os = "linux"));
    }
}
