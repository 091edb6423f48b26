//! What a child process costs, read from `/proc`.

use std::fs;

/// The children of this process that run `program`, by process id.
pub fn children(program: &str) -> Vec<u32> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Some((name, fields)) = stat(pid) else { continue };
        if name == program && fields.get(1).is_some_and(|parent| *parent == me) {
            found.push(pid);
        }
    }
    found
}

/// The processor time that a process has used so far, user and system, in microseconds.
///
/// The kernel counts it in ticks of 10 ms.
pub fn cpu_us(pid: u32) -> Option<u64> {
    let (_, fields) = stat(pid)?;
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

/// The program's name and the fields after it.
fn stat(pid: u32) -> Option<(String, Vec<String>)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself hold some.
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let name = text.get(open + 1..close)?.to_owned();
    Some((name, text.get(close + 1..)?.split_whitespace().map(str::to_owned).collect()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_found_by_its_program_and_its_time_is_read() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        // The name is the parent's until the child has become its program.
        while !children("cat").contains(&pid) {
            std::thread::yield_now();
        }
        assert!(cpu_us(pid).is_some());
        assert!(resident_kb(pid).is_some_and(|kb| kb > 0));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!children("cat").contains(&pid));
    }
}
