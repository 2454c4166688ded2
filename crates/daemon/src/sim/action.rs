//! Everything that can be done to a simulated cluster, each as one line of text that reads and
//! prints: faults, repairs, hands of administrators, commands of operators.

use std::fmt;
use std::net::IpAddr;

use mmm_proto::{Span, Verb};

use super::text::{host, host_word, ip, number, span, span_word};
use crate::core::agent::Act;

/// The end of a path, or the place of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Host(usize),
    Monitor,
    /// A second monitor of the same cluster, started by mistake.
    Second,
}

/// Something that runs and can end or stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Server(usize),
    Agent(usize),
    /// The whole machine of a host.
    Host(usize),
    Monitor,
    /// A second monitor, without the first one's status file.
    Second,
}

/// The kinds of an agent's acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActKind {
    Open,
    Freeze,
    Thaw,
    Fence,
    ReadOnly,
    Hold,
    Drop,
    Look,
    CatchUp,
    Fetch,
    Drain,
    Follow,
    StopReplication,
}

/// How a path between two nodes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Between(Node, Node),
    /// What the first sends does not reach the second; the other way is as it was.
    OneWay(Node, Node),
    /// Between that node and all others.
    Around(Node),
}

/// One thing that is done to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL; of a machine: its power is gone, and what was not synced.
    Kill(Process),
    Start(Process),
    /// SIGSTOP; of a machine: it stands still, its clock goes on.
    Stop(Process),
    /// SIGCONT.
    Cont(Process),
    Cut(Path),
    Heal(Path),
    HealAll,
    /// Added to every message on that path, each way.
    Delay(Path, Span),
    /// Percent of messages that are sent again later, as TCP does.
    Drop(Path, u8),
    /// Percent of grants that arrive once more later: more than TCP allows.
    Duplicate(Path, u8),
    /// Whether `ping_ips` answer the monitor.
    Network(bool),
    /// The applier of a replica is that late with every transaction.
    Lag(usize, Span),
    /// Replication threads, by hand: the receiver (`io`) or the applier (`sql`).
    Thread {
        host: usize,
        sql: bool,
        on: bool,
    },
    /// The applier stops with an error.
    BreakSql(usize),
    /// A statement on the server that holds up `read_only` for so long.
    Hold(usize, Span),
    /// An idle session holds table locks, which holds up `read_only` and is in no list.
    Lock(usize),
    Unlock(usize),
    /// The disk of a monitor, or of the agent on a host.
    Disk(Node, bool),
    /// How long a synced write takes there.
    DiskTakes(Node, Span),
    Write(bool),
    WriteEvery(Span),
    Fail(ActKind, usize),
    Works(ActKind, usize),
    Slow(ActKind, usize, Span),
    /// An administrator adds or removes an address by hand.
    Vip(usize, IpAddr, bool),
    /// An administrator sets `read_only`.
    ReadOnly(usize, bool),
    /// The status file of a monitor or agent is lost. It counts at its next start.
    Forget(Node),
    /// The server is made anew from the present writer's.
    Rebuild(usize),
    /// The wall clocks jump; negative is back.
    Wall(i64),
    /// The boot clock of a machine runs fast by so many parts in a million.
    Drift(Node, i64),
    Control(Verb),
    /// Ask for a plan; `apply` runs the latest one.
    Plan(Verb),
    Apply,
    /// Halt the running plan.
    Halt,
    /// Every fault ends, everything that is dead is started.
    Calm,
    /// An operator puts back what does not come back by itself.
    PutBack,
}

impl ActKind {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Open, "Open"),
        (Self::Freeze, "Freeze"),
        (Self::Thaw, "Thaw"),
        (Self::Fence, "Fence"),
        (Self::ReadOnly, "ReadOnly"),
        (Self::Hold, "Hold"),
        (Self::Drop, "Drop"),
        (Self::Look, "Look"),
        (Self::CatchUp, "CatchUp"),
        (Self::Fetch, "Fetch"),
        (Self::Drain, "Drain"),
        (Self::Follow, "Follow"),
        (Self::StopReplication, "StopReplication"),
    ];

    /// The kind of an act.
    pub(super) const fn of(act: &Act) -> Self {
        match act {
            Act::Open { .. } => Self::Open,
            Act::Freeze { .. } => Self::Freeze,
            Act::Thaw { .. } => Self::Thaw,
            Act::Fence { .. } => Self::Fence,
            Act::ReadOnly => Self::ReadOnly,
            Act::Hold { .. } => Self::Hold,
            Act::Drop { .. } => Self::Drop,
            Act::Look => Self::Look,
            Act::CatchUp { .. } => Self::CatchUp,
            Act::Fetch { .. } => Self::Fetch,
            Act::Drain => Self::Drain,
            Act::Follow { .. } => Self::Follow,
            Act::StopReplication => Self::StopReplication,
        }
    }

    fn parse(word: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
        found.map(|(kind, _)| *kind).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
            format!("{word:?} is no act; acts are {}", all.join(", "))
        })
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].1)
    }
}

fn node(word: &str) -> Result<Node, String> {
    match word {
        "monitor" => Ok(Node::Monitor),
        "monitor2" => Ok(Node::Second),
        _ => host(word).map(Node::Host),
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(host) => host_word(*host),
            Self::Monitor => "monitor",
            Self::Second => "monitor2",
        })
    }
}

fn process(words: &[&str]) -> Result<Process, String> {
    match words {
        ["server", name] => host(name).map(Process::Server),
        ["agent", name] => host(name).map(Process::Agent),
        ["host", name] => host(name).map(Process::Host),
        ["monitor"] => Ok(Process::Monitor),
        ["monitor2"] => Ok(Process::Second),
        _ => Err("write server db1, agent db1, host db1 or monitor".to_owned()),
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(host) => write!(f, "server {}", host_word(*host)),
            Self::Agent(host) => write!(f, "agent {}", host_word(*host)),
            Self::Host(host) => write!(f, "host {}", host_word(*host)),
            Self::Monitor => f.write_str("monitor"),
            Self::Second => f.write_str("monitor2"),
        }
    }
}

/// `db1 db2`, `db1-db2`, `monitor->db1`, or one node alone.
fn path(words: &[&str]) -> Result<Path, String> {
    match words {
        [both] if both.contains("->") => {
            let (from, to) = both.split_once("->").unwrap_or_default();
            Ok(Path::OneWay(node(from)?, node(to)?))
        }
        [both] => match both.split_once('-') {
            Some((one, two)) => Ok(Path::Between(node(one)?, node(two)?)),
            None => node(both).map(Path::Around),
        },
        [one, two] => Ok(Path::Between(node(one)?, node(two)?)),
        _ => Err("write db1-db2, monitor->db1, or one of them alone".to_owned()),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(one, two) => write!(f, "{one}-{two}"),
            Self::OneWay(from, to) => write!(f, "{from}->{to}"),
            Self::Around(node) => write!(f, "{node}"),
        }
    }
}

fn percent(word: &str) -> Result<u8, String> {
    let number: u8 = number(word.trim_end_matches('%'))?;
    if number <= 100 { Ok(number) } else { Err("at most 100%".to_owned()) }
}

fn on_off(word: &str) -> Result<bool, String> {
    match word {
        "on" | "up" | "ok" => Ok(true),
        "off" | "down" | "full" => Ok(false),
        _ => Err(format!("{word:?}: on or off")),
    }
}

fn verb(words: &[&str]) -> Result<Verb, String> {
    Verb::parse(words).map_err(|error| error.to_string())
}

impl Action {
    /// Reads a line.
    ///
    /// # Errors
    /// Says which word is wrong.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        parse(&words).map_err(|why| format!("{line:?}: {why}"))
    }
}

impl std::str::FromStr for Action {
    type Err = String;
    fn from_str(line: &str) -> Result<Self, String> {
        Self::parse(line)
    }
}

fn parse(words: &[&str]) -> Result<Action, String> {
    use Action as A;
    let thread =
        |word: &str, name: &str, on| Ok(A::Thread { host: host(name)?, sql: word == "sql", on });
    match words {
        ["start", word @ ("sql" | "io"), name] => thread(word, name, true),
        ["stop", word @ ("sql" | "io"), name] => thread(word, name, false),
        ["kill" | "crash", rest @ ..] => process(rest).map(A::Kill),
        ["start" | "boot", rest @ ..] => process(rest).map(A::Start),
        ["stop" | "pause", rest @ ..] => process(rest).map(A::Stop),
        ["cont" | "resume", rest @ ..] => process(rest).map(A::Cont),
        ["cut", rest @ ..] => path(rest).map(A::Cut),
        ["heal", "all"] => Ok(A::HealAll),
        ["heal", rest @ ..] => path(rest).map(A::Heal),
        ["delay", rest @ .., much] => Ok(A::Delay(path(rest)?, span(much)?)),
        ["drop", much, rest @ ..] => Ok(A::Drop(path(rest)?, percent(much)?)),
        ["duplicate", much, rest @ ..] => Ok(A::Duplicate(path(rest)?, percent(much)?)),
        ["network", word] => on_off(word).map(A::Network),
        ["lag", name, much] => Ok(A::Lag(host(name)?, span(much)?)),
        ["break", "sql", name] => host(name).map(A::BreakSql),
        ["hold", name, much] => Ok(A::Hold(host(name)?, span(much)?)),
        ["lock", name] => host(name).map(A::Lock),
        ["unlock", name] => host(name).map(A::Unlock),
        ["disk", word, name] => Ok(A::Disk(node(name)?, on_off(word)?)),
        ["disk", name, "takes", much] => Ok(A::DiskTakes(node(name)?, span(much)?)),
        ["write", "every", much] => span(much).map(A::WriteEvery),
        ["write", word] => on_off(word).map(A::Write),
        ["fail", act, name] => Ok(A::Fail(ActKind::parse(act)?, host(name)?)),
        ["works", act, name] => Ok(A::Works(ActKind::parse(act)?, host(name)?)),
        ["slow", act, name, much] => Ok(A::Slow(ActKind::parse(act)?, host(name)?, span(much)?)),
        ["vip", name, address] => Ok(A::Vip(host(name)?, ip(address)?, true)),
        ["unvip", name, address] => Ok(A::Vip(host(name)?, ip(address)?, false)),
        ["read_only", name, word] => Ok(A::ReadOnly(host(name)?, on_off(word)?)),
        ["forget", name] => node(name).map(A::Forget),
        ["rebuild", name] => host(name).map(A::Rebuild),
        ["step", "wall", "clock", much] => {
            let back = much.strip_prefix('-');
            let ms = span(back.unwrap_or(much))?.as_ms() as i64;
            Ok(A::Wall(if back.is_some() { -ms } else { ms }))
        }
        ["drift", name, ppm] => Ok(A::Drift(node(name)?, number(ppm)?)),
        ["control", rest @ ..] => verb(rest).map(A::Control),
        ["plan", rest @ ..] => verb(rest).map(A::Plan),
        ["apply"] => Ok(A::Apply),
        ["halt"] => Ok(A::Halt),
        ["calm"] => Ok(A::Calm),
        ["put", "back"] => Ok(A::PutBack),
        _ => Err("no such action".to_owned()),
    }
}

/// The line that [`Action::parse`] reads.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on: &bool| if *on { "on" } else { "off" };
        let h = |host: &usize| host_word(*host);
        let s = |span: &Span| span_word(*span);
        match self {
            Self::Kill(process @ Process::Host(_)) => write!(f, "crash {process}"),
            Self::Start(process @ Process::Host(_)) => write!(f, "boot {process}"),
            Self::Kill(process) => write!(f, "kill {process}"),
            Self::Start(process) => write!(f, "start {process}"),
            Self::Stop(process) => write!(f, "stop {process}"),
            Self::Cont(process) => write!(f, "cont {process}"),
            Self::Cut(path) => write!(f, "cut {path}"),
            Self::Heal(path) => write!(f, "heal {path}"),
            Self::HealAll => f.write_str("heal all"),
            Self::Delay(path, much) => write!(f, "delay {path} {}", s(much)),
            Self::Drop(path, much) => write!(f, "drop {much}% {path}"),
            Self::Duplicate(path, much) => write!(f, "duplicate {much}% {path}"),
            Self::Network(up) => write!(f, "network {}", if *up { "up" } else { "down" }),
            Self::Lag(host, much) => write!(f, "lag {} {}", h(host), s(much)),
            Self::Thread { host, sql, on } => {
                let (word, thread) = (["stop", "start"][usize::from(*on)], ["io", "sql"]);
                write!(f, "{word} {} {}", thread[usize::from(*sql)], h(host))
            }
            Self::BreakSql(host) => write!(f, "break sql {}", h(host)),
            Self::Hold(host, much) => write!(f, "hold {} {}", h(host), s(much)),
            Self::Lock(host) => write!(f, "lock {}", h(host)),
            Self::Unlock(host) => write!(f, "unlock {}", h(host)),
            Self::Disk(node, ok) => write!(f, "disk {} {node}", ["full", "ok"][usize::from(*ok)]),
            Self::DiskTakes(node, much) => write!(f, "disk {node} takes {}", s(much)),
            Self::Write(word) => write!(f, "write {}", on(word)),
            Self::WriteEvery(much) => write!(f, "write every {}", s(much)),
            Self::Fail(act, host) => write!(f, "fail {act} {}", h(host)),
            Self::Works(act, host) => write!(f, "works {act} {}", h(host)),
            Self::Slow(act, host, much) => write!(f, "slow {act} {} {}", h(host), s(much)),
            Self::Vip(host, ip, true) => write!(f, "vip {} {ip}", h(host)),
            Self::Vip(host, ip, false) => write!(f, "unvip {} {ip}", h(host)),
            Self::ReadOnly(host, word) => write!(f, "read_only {} {}", h(host), on(word)),
            Self::Forget(node) => write!(f, "forget {node}"),
            Self::Rebuild(host) => write!(f, "rebuild {}", h(host)),
            Self::Wall(ms) => {
                let sign = if *ms < 0 { "-" } else { "" };
                write!(f, "step wall clock {sign}{}", s(&Span(ms.unsigned_abs())))
            }
            Self::Drift(node, ppm) => write!(f, "drift {node} {ppm}"),
            Self::Control(verb) => write!(f, "control {verb}"),
            Self::Plan(verb) => write!(f, "plan {verb}"),
            Self::Apply => f.write_str("apply"),
            Self::Halt => f.write_str("halt"),
            Self::Calm => f.write_str("calm"),
            Self::PutBack => f.write_str("put back"),
        }
    }
}

#[cfg(test)]
mod tests;
