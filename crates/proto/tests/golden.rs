//! The wire must not drift: every message kind of every conversation as a line of `golden/*.jsonl`.
//!
//! A golden line decodes and encodes to the very same text, and every kind and variant has one. A
//! new message gets a line, an old line stays as it is: older programs send it. After a deliberate
//! change (a new optional field that is always sent) `MMM_GOLDEN=rewrite cargo test -p mmm-proto
//! --test golden` writes the files anew. A change of a line that old programs cannot read raises
//! `mmm_proto::PROTOCOL`.
#![allow(clippy::disallowed_methods)] // A test reads files and its environment.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mmm_proto::agent::{Duty, FromAgent, Outcome, Reach, Replicate, Stance, Step, Thread, ToAgent};
use mmm_proto::console::{Answer, FromMonitor, RefusalCode, ToMonitor};
use mmm_proto::event;
use mmm_proto::hello::{First, Program};
use mmm_proto::line::{LINE_MAX, LineError, Lines, Message, decode, encode};
use mmm_proto::peer::PeerMessage;
use mmm_proto::plan::{self, CheckVerdict, PlanOutcome, StepState};
use mmm_proto::view::{Verdict, WriterState};
use mmm_proto::{Check, Demo, GtidPos, HostMode, HostState, Lag, MonitorMode, RoleMode, Verb};
use proptest::prelude::*;
use serde_json::Value;

/// One direction of a conversation: the golden file and what reads it.
struct Direction {
    file: &'static str,
    kinds: &'static [&'static str],
    /// Decodes a line and encodes it again.
    again: fn(&str) -> Result<String, LineError>,
}

const fn direction<M: Message>(file: &'static str) -> Direction {
    Direction { file, kinds: M::KINDS, again: |line| encode(&decode::<M>(line)?) }
}

const DIRECTIONS: [Direction; 6] = [
    direction::<First>("first"),
    direction::<ToAgent>("to_agent"),
    direction::<FromAgent>("from_agent"),
    direction::<ToMonitor>("to_monitor"),
    direction::<FromMonitor>("from_monitor"),
    direction::<PeerMessage>("peer"),
];

impl Direction {
    fn path(&self) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        folder.join(self.file).with_extension("jsonl")
    }

    fn lines(&self) -> Vec<String> {
        let path = self.path();
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(str::to_owned).collect()
    }
}

/// The words that variants have on the wire. The match makes a new variant a compile error, and
/// its word then wants a golden line.
macro_rules! words {
    ($($key:literal: $kind:ty { $($variant:ident = $word:literal),+ $(,)? })+) => {
        const WORDS: &[(&str, &[&str])] = &[$(($key, &[$($word),+])),+];
        $(const _: fn(&$kind) = {
            type Kind = $kind;
            |value| match value { $(Kind::$variant { .. } => {}),+ }
        };)+
    };
}

words! {
    "program": Program { Monitor = "monitor", Agent = "agent", Console = "console" }
    "step": Step {
        Look = "look", Freeze = "freeze", CatchUp = "catch_up", Fetch = "fetch", Drain = "drain",
    }
    "stance": Stance { Serve = "serve", Frozen = "frozen" }
    "replicate": Replicate { From = "from", Off = "off", AsIs = "as_is" }
    "mode": RoleMode { Exclusive = "exclusive", Balanced = "balanced" }
    "duty": Duty {
        None = "none", Opening = "opening", Serving = "serving", Freezing = "freezing",
        Frozen = "frozen", Fencing = "fencing",
    }
    "reach": Reach { Unknown = "unknown", Up = "up", Gone = "gone", Silent = "silent" }
    "io": Thread { Yes = "yes", No = "no", Connecting = "connecting" }
    "lag": Lag { Unknown = "unknown", Stopped = "stopped", Behind = "behind", Source = "source" }
    "outcome": Outcome {
        Looked = "looked", Frozen = "frozen", Reached = "reached", Failed = "failed",
    }
    "verb": Verb {
        Help = "help", Ping = "ping", Show = "show", Checks = "checks", Mode = "mode",
        Explain = "explain", Doctor = "doctor",
        SetOnline = "set_online", SetOffline = "set_offline", SetActive = "set_active",
        SetManual = "set_manual", SetPassive = "set_passive", MoveRole = "move_role",
        SetIp = "set_ip",
    }
    "demo": Demo { Fault = "fault", Faults = "faults", Calm = "calm" }
    "check": Check {
        Ping = "ping", Mysql = "mysql", RepThreads = "rep_threads", RepBacklog = "rep_backlog",
    }
    "answer": Answer {
        Snapshot = "snapshot", Plan = "plan", Started = "started", Done = "done",
        Refused = "refused", Failed = "failed", Examined = "examined",
    }
    "code": RefusalCode {
        Unknown = "unknown", State = "state", Role = "role", Unreachable = "unreachable",
        Behind = "behind", Blocked = "blocked", Busy = "busy", Stale = "stale",
        Forbidden = "forbidden",
    }
    "mode": MonitorMode {
        Active = "ACTIVE", Manual = "MANUAL", Wait = "WAIT", Passive = "PASSIVE",
    }
    "mode": HostMode { Master = "master", Slave = "slave" }
    "state": HostState {
        Online = "ONLINE", AdminOffline = "ADMIN_OFFLINE", HardOffline = "HARD_OFFLINE",
        AwaitingRecovery = "AWAITING_RECOVERY", ReplicationDelay = "REPLICATION_DELAY",
        ReplicationFail = "REPLICATION_FAIL", Unknown = "UNKNOWN",
    }
    "state": WriterState {
        Serving = "serving", Moving = "moving", Vacant = "vacant", Conflict = "conflict",
    }
    "state": StepState {
        Waiting = "waiting", Running = "running", Done = "done", Failed = "failed",
        Undone = "undone", Skipped = "skipped",
    }
    "verdict": Verdict {
        Good = "good", Failing = "failing", Bad = "bad", Unknown = "unknown",
    }
    "verdict": CheckVerdict { Good = "good", Warn = "warn", Bad = "bad" }
    "level": plan::Level { Key = "key", Typed = "typed", Forced = "forced" }
    "level": event::Level { Info = "info", Warn = "warn", Error = "error" }
    "outcome": PlanOutcome {
        Running = "running", Done = "done", FailedUndone = "failed_undone", Failed = "failed",
    }
}

/// Every `key: word` of a message; a variant with content counts by the key of its object.
fn collect(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(word) => {
                        found.insert((key.clone(), word.clone()));
                    }
                    Value::Object(inner) if inner.len() == 1 => {
                        found.extend(inner.keys().map(|word| (key.clone(), word.clone())));
                    }
                    _ => {}
                }
                collect(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[test]
fn golden_lines_come_back_as_they_are() {
    let rewrite = std::env::var("MMM_GOLDEN").is_ok_and(|value| value == "rewrite");
    let mut drifted = Vec::new();
    for direction in DIRECTIONS {
        let mut text = String::new();
        for (number, line) in direction.lines().iter().enumerate() {
            let place = format!("{}.jsonl:{}", direction.file, number + 1);
            match (direction.again)(line) {
                Err(error) => drifted.push(format!("{place}: can no longer be read: {error}")),
                Ok(again) if again.trim_end() == line => {}
                Ok(again) if rewrite => eprintln!("{place}: rewritten as {again}"),
                Ok(again) => drifted.push(format!("{place}:\n  was {line}\n  is  {again}")),
            }
            text.push_str(&(direction.again)(line).unwrap_or_default());
        }
        if rewrite && drifted.is_empty() {
            std::fs::write(direction.path(), text).unwrap();
        }
    }
    assert!(drifted.is_empty(), "the wire drifted:\n{}", drifted.join("\n"));
}

#[test]
fn every_kind_of_message_has_a_golden_line() {
    for direction in DIRECTIONS {
        let kind = |line: &String| {
            let value: Value = serde_json::from_str(line).unwrap();
            value["kind"].as_str().unwrap().to_owned()
        };
        let found: BTreeSet<String> = direction.lines().iter().map(kind).collect();
        let wanted: BTreeSet<String> = direction.kinds.iter().map(|k| (*k).to_owned()).collect();
        assert_eq!(found, wanted, "{}.jsonl", direction.file);
    }
}

#[test]
fn every_variant_within_a_message_has_a_golden_line() {
    let mut found = BTreeSet::new();
    for line in DIRECTIONS.iter().flat_map(Direction::lines) {
        collect(&serde_json::from_str(&line).unwrap(), &mut found);
    }
    let missing: Vec<String> = WORDS
        .iter()
        .flat_map(|(key, words)| words.iter().map(move |word| (*key, *word)))
        .filter(|(key, word)| !found.contains(&((*key).to_owned(), (*word).to_owned())))
        .map(|(key, word)| format!("{key}: {word}"))
        .collect();
    assert!(missing.is_empty(), "no golden line with {}", missing.join(", "));
}

#[test]
fn fields_of_a_newer_program_are_ignored() {
    for direction in DIRECTIONS {
        for line in direction.lines() {
            let newer = line.replacen('{', "{\"from_the_future\":[1,{\"a\":null}],", 1);
            let again = (direction.again)(&newer)
                .unwrap_or_else(|error| panic!("{}: {error}: {newer}", direction.file));
            assert_eq!(again.trim_end(), line);
        }
    }
}

#[test]
fn a_golden_line_cut_anywhere_is_refused_and_closes() {
    for direction in DIRECTIONS {
        for line in direction.lines() {
            for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
                let error = (direction.again)(&line[..end])
                    .expect_err("half a message must not pass for a whole one");
                assert!(error.closes(), "{error}: {}", &line[..end]);
            }
        }
    }
}

/// A message of one conversation in another is an unknown kind, or means the same (`error`). It is
/// never taken for something else with its content lost.
#[test]
fn a_line_in_the_wrong_conversation_is_no_message_or_means_the_same() {
    for sender in DIRECTIONS {
        for receiver in DIRECTIONS.iter().filter(|other| other.file != sender.file) {
            for line in sender.lines() {
                if let Ok(again) = (receiver.again)(&line) {
                    assert_eq!(again.trim_end(), line, "{} as {}", sender.file, receiver.file);
                }
            }
        }
    }
}

/// The lines of bytes as a socket brings them, cut after each of `cuts`, or the error that ends
/// it.
fn lines_of(bytes: &[u8], cuts: &[usize]) -> Result<Vec<String>, LineError> {
    let (mut lines, mut found, mut rest) = (Lines::default(), Vec::new(), bytes);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        rest = later;
        lines.push(now);
        while let Some(line) = lines.next_line()? {
            found.push(line);
        }
    }
    Ok(found)
}

fn host() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
}

/// What may be typed behind `mmm-control`, in the form in which it is printed.
fn command() -> impl Strategy<Value = String> {
    let ip = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
    ];
    let flags = prop_oneof![Just(""), Just("--force "), Just("--kill "), Just("--force --kill ")];
    prop_oneof![
        prop::sample::select(vec!["help", "ping", "show", "mode", "checks", "set_active"])
            .prop_map(str::to_owned),
        host().prop_map(|host| format!("set_online {host}")),
        host().prop_map(|host| format!("set_offline {host}")),
        (flags, host(), host()).prop_map(|(f, role, host)| format!("move_role {f}{role} {host}")),
        (ip, host()).prop_map(|(ip, host)| format!("set_ip {ip} {host}")),
    ]
}

proptest! {
    #[test]
    fn garbage_never_panics_and_is_never_a_message(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(lines) = lines_of(&bytes, &[]) {
            for line in lines {
                for direction in DIRECTIONS {
                    prop_assert!((direction.again)(&line).is_err());
                }
            }
        }
    }

    #[test]
    fn one_wrong_byte_never_panics_and_what_still_reads_keeps_its_meaning(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for direction in DIRECTIONS {
            let lines = direction.lines();
            let mut bytes = which.get(&lines).clone().into_bytes();
            let at = place.index(bytes.len());
            bytes[at] = byte;
            let Ok(line) = String::from_utf8(bytes) else { continue };
            if let Ok(once) = (direction.again)(&line) {
                prop_assert_eq!((direction.again)(&once), Ok(once.clone()));
            }
        }
    }

    #[test]
    fn where_the_socket_cuts_makes_no_difference(
        cuts in prop::collection::vec(0_usize..2_000, 0..40),
    ) {
        let all: Vec<String> = DIRECTIONS.iter().flat_map(Direction::lines).collect();
        let bytes = all.join("\n") + "\n";
        prop_assert_eq!(lines_of(bytes.as_bytes(), &cuts), Ok(all));
    }

    #[test]
    fn a_command_survives_print_wire_and_print(line in command()) {
        let words: Vec<&str> = line.split(' ').collect();
        let verb = Verb::parse(&words).unwrap();
        prop_assert_eq!(verb.to_string(), line);
        let request = ToMonitor::Run { id: 1, verb };
        prop_assert_eq!(decode::<ToMonitor>(&encode(&request).unwrap()), Ok(request));
    }

    #[test]
    fn a_position_survives_print_and_wire(
        parts in prop::collection::btree_map(any::<u32>(), (any::<u32>(), any::<u64>()), 0..20),
    ) {
        let gtids = parts.iter().map(|(domain, (server, seq))| format!("{domain}-{server}-{seq}"));
        let text = gtids.collect::<Vec<_>>().join(",");
        let position: GtidPos = text.parse().unwrap();
        prop_assert_eq!(position.to_string(), text);
        prop_assert!(position.includes(&position));
        let step = Step::CatchUp { to: position };
        let json = serde_json::to_string(&step).unwrap();
        prop_assert_eq!(serde_json::from_str::<Step>(&json).unwrap(), step);
    }

    #[test]
    fn words_of_any_kind_never_panic_the_parser(words in prop::collection::vec(".{0,70}", 0..5)) {
        if let Err(error) = Verb::parse(&words) {
            prop_assert!(error.to_string().starts_with("Invalid command '"));
        }
    }
}

/// A peer that sends no line end costs a bounded amount of memory.
#[test]
fn a_giant_line_is_refused_before_its_end() {
    let mut lines = Lines::default();
    for _ in 0..LINE_MAX / 4096 {
        lines.push(&[b'x'; 4096]);
        assert_eq!(lines.next_line(), Ok(None));
    }
    lines.push(b"x");
    assert_eq!(lines.next_line(), Err(LineError::TooLong));
}
