//! The table of host states: every transition with its number, its condition and its reason, as
//! data. First matching row wins, one transition a host and pass. The numbers are the rows of the
//! original's table; where a row differs on purpose, it says why. `states` walks it.

use mmm_proto::{Check, HostState, Span};

use super::pass::Pass;
use HostState as S;

/// One row.
pub struct Row {
    /// The original's number; a letter behind it marks a row of our own.
    pub number: &'static str,
    /// The states that it applies to.
    pub from: &'static [HostState],
    /// The condition, in words.
    pub when: &'static str,
    /// The state that it leads to; none where the host stays as it is.
    pub to: Option<HostState>,
    /// What differs from the original, and why; empty where nothing does.
    pub differs: &'static str,
    pub(super) holds: fn(&Pass<'_>) -> bool,
    pub(super) why: fn(&Pass<'_>) -> String,
}

/// Every row, in the order in which they are tried.
pub const ROWS: &[Row] = &[
    Row {
        number: "1",
        from: &[S::AdminOffline],
        when: "always: only an operator ends it",
        to: None,
        differs: "",
        holds: |_| true,
        why: nothing,
    },
    Row {
        number: "0a",
        from: &[S::Unknown],
        when: "the host is lost",
        to: Some(S::HardOffline),
        differs: "the original decided before its first pass, by votes only",
        holds: |pass| pass.is_lost(),
        why: |pass| pass.lost_why(),
    },
    Row {
        number: "0b",
        from: &[S::Unknown],
        when: "ping and mysql are good",
        to: Some(S::AwaitingRecovery),
        differs: "the original decided before its first pass, by votes only",
        holds: |pass| pass.reachable(),
        why: |_| "seen for the first time, healthy".to_owned(),
    },
    Row {
        number: "2",
        from: &[S::Online],
        when: "the host is lost: ping or mysql failed",
        to: Some(S::HardOffline),
        differs: "both sides' evidence counts: the agent's word acts at once, and the monitor's \
                  word alone takes no writer away",
        holds: |pass| pass.is_lost(),
        why: |pass| pass.lost_why(),
    },
    Row {
        number: "3",
        from: &[S::Online],
        when: "it is the active master: its replication is not looked at",
        to: None,
        differs: "",
        holds: |pass| pass.is_writer(),
        why: nothing,
    },
    Row {
        number: "3a",
        from: &[S::Online],
        when: "an operator forces it to be the writer just now",
        to: None,
        differs: "the original made it writer in the same pass",
        holds: |pass| pass.is_forced(),
        why: nothing,
    },
    Row {
        number: "3b",
        from: &[S::Online],
        when: "it is known to have transactions that the writer lacks, and no operator set it \
               online since",
        to: Some(S::AwaitingRecovery),
        differs: "the original compared nothing",
        holds: |pass| pass.parted_why().is_some(),
        why: |pass| pass.parted_why().unwrap_or_default(),
    },
    Row {
        number: "4",
        from: &[S::Online],
        when: "its peer is ONLINE since less than 60 s: its replication is not looked at",
        to: None,
        differs: "survives a restart of the monitor",
        holds: |pass| pass.peer_is_fresh(),
        why: nothing,
    },
    Row {
        number: "5",
        from: &[S::Online],
        when: "rep_threads failed, and its peer is well; not the last writer while there is none",
        to: Some(S::ReplicationFail),
        differs: "the original gave the writer to the peer, which may lack what the last one wrote",
        holds: |pass| pass.threads_bad() && pass.peer_ok() && !pass.was_writer(),
        why: |pass| pass.failure(Check::RepThreads),
    },
    Row {
        number: "6",
        from: &[S::Online],
        when: "rep_threads is not failed, rep_backlog failed, and its peer is well; not the last \
               writer while there is none",
        to: Some(S::ReplicationDelay),
        differs: "as 5",
        holds: |pass| {
            !pass.threads_bad() && pass.backlog_bad() && pass.peer_ok() && !pass.was_writer()
        },
        why: |pass| pass.failure(Check::RepBacklog),
    },
    Row {
        number: "7",
        from: &[S::AwaitingRecovery],
        when: "the host is lost",
        to: Some(S::HardOffline),
        differs: "",
        holds: |pass| pass.is_lost(),
        why: |pass| pass.lost_why(),
    },
    Row {
        number: "8",
        from: &[S::AwaitingRecovery],
        when: "all checks good, flapping, auto_set_online is set, and no check changed for \
               flap_duration",
        to: Some(S::Online),
        differs: "the flapping mark goes with it; the agent must answer; not a host that may have \
                  parted",
        holds: |pass| pass.well() && pass.flapping() && pass.auto() > Span::ZERO && pass.calm(),
        why: |pass| format!("no check changed for {} after flapping", pass.flap_duration()),
    },
    Row {
        number: "9",
        from: &[S::AwaitingRecovery],
        when: "all checks good, flapping otherwise",
        to: None,
        differs: "",
        holds: |pass| pass.well() && pass.flapping(),
        why: nothing,
    },
    Row {
        number: "10",
        from: &[S::AwaitingRecovery],
        when: "all checks good, away for less than 60 s without a reboot",
        to: Some(S::Online),
        differs: "a reboot is seen by the machine's boot id; survives a restart of the monitor; the \
                  agent must answer; not a host that may have parted",
        holds: |pass| pass.well() && pass.short_outage().is_some(),
        why: |pass| {
            let away = pass.short_outage().unwrap_or_default();
            format!("it was away for {away} only and did not reboot")
        },
    },
    Row {
        number: "11",
        from: &[S::AwaitingRecovery],
        when: "all checks good for auto_set_online, where that is set",
        to: Some(S::Online),
        differs: "survives a restart of the monitor; the agent must answer; not a host that may \
                  have parted",
        holds: |pass| pass.well() && pass.auto() > Span::ZERO && pass.waited() >= pass.auto(),
        why: |pass| format!("healthy for {}, auto_set_online is {}", pass.waited(), pass.auto()),
    },
    Row {
        number: "12",
        from: &[S::HardOffline],
        when: "ping and mysql are good, rep_threads failed, and there is an active master other \
               than it (or it cannot be that)",
        to: Some(S::ReplicationFail),
        differs: "not the active master itself, whose replication is nobody's trouble; not a check \
                  without a result yet",
        holds: |pass| pass.back() && pass.judged() && pass.threads_bad(),
        why: |pass| pass.failure(Check::RepThreads),
    },
    Row {
        number: "13",
        from: &[S::HardOffline],
        when: "as 12, but rep_threads did not fail, rep_backlog did",
        to: Some(S::ReplicationDelay),
        differs: "as 12",
        holds: |pass| pass.back() && pass.judged() && pass.backlog_bad(),
        why: |pass| pass.failure(Check::RepBacklog),
    },
    Row {
        number: "14",
        from: &[S::HardOffline],
        when: "ping and mysql are good otherwise",
        to: Some(S::AwaitingRecovery),
        differs: "",
        holds: |pass| pass.back(),
        why: |_| "the host answers again".to_owned(),
    },
    Row {
        number: "19",
        from: &[S::ReplicationFail, S::ReplicationDelay],
        when: "the host is lost",
        to: Some(S::HardOffline),
        differs: "tried before 15 to 18: hard evidence may precede the check's own word",
        holds: |pass| pass.is_lost(),
        why: |pass| pass.lost_why(),
    },
    Row {
        number: "15",
        from: &[S::ReplicationFail],
        when: "ping, mysql and rep_threads are good, rep_backlog failed",
        to: Some(S::ReplicationDelay),
        differs: "",
        holds: |pass| pass.reachable() && pass.good(Check::RepThreads) && pass.backlog_bad(),
        why: |pass| pass.failure(Check::RepBacklog),
    },
    Row {
        number: "16",
        from: &[S::ReplicationDelay],
        when: "ping and mysql are good, rep_threads failed",
        to: Some(S::ReplicationFail),
        differs: "",
        holds: |pass| pass.reachable() && pass.threads_bad(),
        why: |pass| pass.failure(Check::RepThreads),
    },
    Row {
        number: "17",
        from: &[S::ReplicationFail, S::ReplicationDelay],
        when: "replication is well again, flapping",
        to: Some(S::AwaitingRecovery),
        differs: "as 18",
        holds: |pass| pass.replication_well() && pass.flapping(),
        why: |pass| format!("{}; it is flapping", pass.replication_well_why()),
    },
    Row {
        number: "18",
        from: &[S::ReplicationFail, S::ReplicationDelay],
        when: "replication is well again: both checks good; or its peer is gone, its applier runs \
               and has applied all that it received; or it was the last writer and there is none",
        to: Some(S::Online),
        differs: "the original asked only that the peer is not ONLINE, and so gave the writer to \
                  stale hosts",
        holds: |pass| pass.replication_well(),
        why: |pass| pass.replication_well_why().to_owned(),
    },
];

fn nothing(_: &Pass<'_>) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_the_originals_nineteen_and_four_of_our_own() {
        let mut numbers: Vec<&str> = ROWS.iter().map(|row| row.number).collect();
        numbers.sort_by_key(|number| {
            let digits = number.trim_end_matches(char::is_alphabetic);
            (digits.parse::<u32>().unwrap(), number.len())
        });
        let own = ["0a", "0b", "3a", "3b"];
        let original: Vec<String> = (1..=19).map(|number| number.to_string()).collect();
        assert_eq!(numbers.iter().filter(|n| own.contains(*n)).count(), 4);
        let rest: Vec<&&str> = numbers.iter().filter(|n| !own.contains(*n)).collect();
        assert!(rest.iter().zip(&original).all(|(a, b)| **a == b), "{rest:?}");
        assert_eq!(rest.len(), 19);
    }

    #[test]
    fn every_row_says_when_and_no_row_leads_to_where_it_comes_from() {
        for row in ROWS {
            assert!(!row.when.is_empty() && !row.from.is_empty(), "{}", row.number);
            assert!(row.to.is_none_or(|to| !row.from.contains(&to)), "{}", row.number);
        }
    }
}
