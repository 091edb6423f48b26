//! How long an object that commits in groups lets other work go first.

/// With so many messages waiting for the next commit, accepting gives way to what is under way,
const BUSY: usize = 8;
/// for a millisecond for each so many of them,
const GIVE_WAY_FOR: usize = 4;
/// and not longer than this.
const GIVE_WAY_MAX_MS: i64 = 20;

/// How long to wait before the next commit, in milliseconds, with so many messages waiting for it. Accepting must not starve
/// delivering. The queue decides, not how late a timer is: in production the clock stands still while code runs.
pub fn give_way_ms(waiting: usize) -> i64 {
    if waiting < BUSY {
        return 0;
    }
    let ms = waiting.checked_div(GIVE_WAY_FOR).and_then(|ms| i64::try_from(ms).ok());
    ms.unwrap_or(i64::MAX).min(GIVE_WAY_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::give_way_ms;

    #[test]
    fn accepting_gives_way_by_how_many_messages_wait_and_never_for_long() {
        for (waiting, ms) in [(0, 0), (7, 0), (8, 2), (40, 10), (80, 20), (1_000, 20), (usize::MAX, 20)] {
            assert_eq!(give_way_ms(waiting), ms, "{waiting} waiting");
        }
    }
}
