//! The time and memory of a process, read from `/proc`.

use std::fs;

/// The processor time that a process has used so far, user and system, in microseconds.
///
/// The kernel counts it in ticks of 10 ms.
pub fn cpu_us(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    // Fields 14 and 15 of proc(5), counted from the state, which is field 3.
    Some((ticks(11)? + ticks(12)?) * 10_000)
}

/// The memory that a process holds now, in kilobytes.
pub fn resident_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The fields of `/proc/<pid>/stat` after the program's name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself hold some.
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_process_can_be_told() {
        let me = std::process::id();
        let before = cpu_us(me).unwrap();
        let mut sum = 0u64;
        while cpu_us(me).unwrap() == before {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert!(resident_kb(me).unwrap() > 0, "{sum}");
        assert_eq!(cpu_us(u32::MAX), None);
    }
}
