//! A cluster to look at: five hosts, two of them in trouble. All times are fixed.

use mmm_proto::agent::{Reach, Replication, Thread};
use mmm_proto::event::Level as EventLevel;
use mmm_proto::plan::Level;
use mmm_proto::view::{
    ActionView, AgentView, Blocked, CheckView, FlapsView, HostView, PeersView, Readiness, RoleView,
    ServerView, Verdict, VipRef, VipView, WriterState, WriterView,
};
use mmm_proto::{
    Check, ClusterName, ClusterView, Event, GtidPos, HostMode, HostName, HostState, Lag,
    MonitorMode, RoleMode, RoleName, Span, Verb, Wall,
};

mod plans;

pub(crate) use plans::{moved, moving, plan};

/// 2026-11-19 14:02:21 UTC.
pub(crate) const NOW: Wall = Wall(1_795_096_941_000);

pub(crate) fn ago(seconds: i64) -> Wall {
    Wall(NOW.0 - seconds * 1000)
}

pub(crate) fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

pub(crate) fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn check(check: Check, verdict: Verdict, since: Wall, message: &str) -> CheckView {
    CheckView { check, verdict, since, message: message.to_owned(), took: Some(Span(2)) }
}

fn action(verb: Verb, off: &str, level: Level) -> ActionView {
    ActionView { verb, off: off.to_owned(), level, effect: String::new() }
}

fn moves_nothing(verb: Verb) -> ActionView {
    ActionView { effect: "no address moves".to_owned(), ..action(verb, "", Level::Key) }
}

pub(crate) fn move_writer(host: &str) -> Verb {
    Verb::MoveRole { role: role("writer"), host: name(host), force: false, kill: false }
}

fn actions(
    host: &HostName,
    online: &str,
    offline: &str,
    writer: &str,
    level: Level,
) -> Vec<ActionView> {
    vec![
        action(Verb::SetOnline { host: host.clone() }, online, Level::Key),
        action(Verb::SetOffline { host: host.clone() }, offline, level),
        action(move_writer(host.as_str()), writer, Level::Typed),
    ]
}

/// A healthy host.
fn host(text: &str, ip: &str, mode: HostMode, lag: Lag, roles: &[(&str, &str)]) -> HostView {
    let since = ago(273_600);
    HostView {
        name: name(text),
        ip: ip.parse().unwrap(),
        port: 3306,
        mode,
        peer: None,
        state: HostState::Online,
        since,
        before: None,
        why: "all checks are good".to_owned(),
        ends: String::new(),
        flaps: None,
        checks: vec![
            check(Check::Ping, Verdict::Good, since, "OK"),
            check(Check::Mysql, Verdict::Good, since, "OK"),
            check(Check::RepThreads, Verdict::Good, since, "OK"),
            check(Check::RepBacklog, Verdict::Good, since, "OK: Backlog is null"),
        ],
        lag,
        lag_limit: Span::secs(60),
        behind: Some(0),
        agent: AgentView {
            reachable: true,
            heard: Some(Wall(NOW.0 - 300)),
            version: "0.1.0".to_owned(),
            trouble: String::new(),
            duty: "none".to_owned(),
        },
        server: ServerView {
            reach: Reach::Up,
            version: "10.11.6-MariaDB".to_owned(),
            read_only: Some(true),
            position: "0-1-88123411".parse::<GtidPos>().unwrap(),
            sessions: 42,
            vips: roles.iter().map(|(_, ip)| ip.parse().unwrap()).collect(),
            replication: Some(Replication {
                source: "192.168.0.31".into(),
                port: 3306,
                io: Thread::Yes,
                sql: Thread::Yes,
                lag,
                io_state: "Waiting for master to send event".to_owned(),
                sql_state: "Slave has read all relay log".to_owned(),
                error: String::new(),
                lacks_own: false,
            }),
            source: Some(name("db1")),
        },
        roles: roles
            .iter()
            .map(|(word, ip)| VipRef { role: role(word), ip: ip.parse().unwrap() })
            .collect(),
        actions: actions(&name(text), "db is already ONLINE", "", "", Level::Key),
        readiness: None,
        peers: PeersView::default(),
    }
}

pub(crate) fn blocked(why: &str, ends: Option<Wall>, until: &str) -> Blocked {
    Blocked { why: why.to_owned(), ends, until: until.to_owned() }
}

fn not_ready(lacks: Option<u64>, note: &str, why: Blocked) -> Option<Readiness> {
    let (loss, note) = (lacks.map(|_| 0), note.to_owned());
    Some(Readiness { able: false, rank: None, lacks, loss, note, blockers: vec![why] })
}

/// What the monitor makes of each of the five as the next writer.
fn readiness() -> [Option<Readiness>; 5] {
    let slave = |host: &str| {
        let why = format!("{host} is not one of the hosts of writer (db1, db2)");
        blocked(&why, None, "the configuration is changed")
    };
    [
        not_ready(None, "", blocked("db1 is the writer", None, "")),
        Some(Readiness {
            able: true,
            rank: Some(1),
            lacks: Some(0),
            loss: Some(0),
            note: String::new(),
            blockers: Vec::new(),
        }),
        not_ready(Some(33_299), "", slave("db3")),
        not_ready(None, "its agent has not reported what it received", slave("db4")),
        not_ready(Some(120_412), "", slave("db5")),
    ]
}

fn hosts() -> Vec<HostView> {
    let none = Lag::Behind(Span::ZERO);
    let (master, slave) = (HostMode::Master, HostMode::Slave);
    let w = ("writer", "192.168.0.50");
    let r = |ip| ("reader", ip);
    let mut db1 = host("db1", "192.168.0.31", master, Lag::Source, &[r("192.168.0.51"), w]);
    db1.server.read_only = Some(false);
    db1.agent.duty = "serving".to_owned();
    db1.actions = actions(&db1.name, "db1 is ONLINE", "", "db1 is the writer", Level::Typed);
    let readers = [r("192.168.0.52"), r("192.168.0.53"), r("192.168.0.54")];
    let db2 = host("db2", "192.168.0.32", master, none, &readers);
    let mut db3 = host("db3", "192.168.0.33", slave, Lag::Behind(Span::secs(252)), &[]);
    db3.state = HostState::ReplicationDelay;
    db3.before = Some(HostState::Online);
    db3.since = ago(161);
    db3.why = "lag 252 s > 60 s".to_owned();
    db3.ends = "lag <= 60 s (back to ONLINE by itself)".to_owned();
    db3.behind = Some(33_299);
    db3.flaps = Some(FlapsView {
        drops: 2,
        first: Some(ago(1500)),
        limit: 3,
        window: Span::secs(3600),
        flapping: false,
    });
    db3.checks[3] = check(Check::RepBacklog, Verdict::Bad, ago(161), "ERROR: Backlog is too big");
    db3.actions = actions(&db3.name, "db3 is not set offline", "", "db3 is a slave", Level::Key);
    let mut db4 = host("db4", "192.168.0.34", slave, Lag::Unknown, &[]);
    db4.state = HostState::HardOffline;
    db4.before = Some(HostState::Online);
    db4.since = ago(14);
    db4.why = "ping and mysql failed for 3.0 s".to_owned();
    db4.agent.reachable = false;
    db4.agent.trouble = "no answer for 14 s".to_owned();
    db4.server.reach = Reach::Silent { why: "no answer".to_owned() };
    db4.server.replication = None;
    let down = "db4 is HARD_OFFLINE";
    db4.actions = actions(&db4.name, down, down, down, Level::Key);
    let mut db5 = host("db5", "192.168.0.35", slave, Lag::Stopped, &[]);
    db5.state = HostState::AdminOffline;
    db5.since = ago(4341);
    db5.why = "set offline by ops@bastion1".to_owned();
    db5.ends = "set_online".to_owned();
    if let Some(replication) = &mut db5.server.replication {
        (replication.io, replication.sql) = (Thread::No, Thread::No);
    }
    db5.actions = actions(&db5.name, "", "db5 is ADMIN_OFFLINE", "db5 is a slave", Level::Key);
    let mut all = vec![db1, db2, db3, db4, db5];
    for (host, ready) in all.iter_mut().zip(readiness()) {
        host.readiness = ready;
    }
    all
}

fn vip(ip: &str, on: &str, held: i64, may: &[&str]) -> VipView {
    VipView {
        ip: ip.parse().unwrap(),
        host: Some(name(on)),
        since: ago(held),
        seen_on: vec![name(on)],
        may_go_to: may.iter().map(|host| name(host)).collect(),
        note: String::new(),
        blocked: Vec::new(),
        claims: Vec::new(),
    }
}

/// In WAIT, for another 42 s.
pub(crate) fn waiting() -> ClusterView {
    let mode_ends = Some(Wall(NOW.0 + 42_000));
    ClusterView { mode: MonitorMode::Wait, mode_ends, ..view() }
}

/// The cluster of the mock-ups.
pub(crate) fn view() -> ClusterView {
    ClusterView {
        cluster: ClusterName::parse("shop-prod").unwrap(),
        demo: false,
        generation: 4711,
        term: 3,
        now: NOW,
        started: ago(300_000),
        version: "0.1.0".to_owned(),
        mode: MonitorMode::Active,
        mode_cause: String::new(),
        mode_ends: None,
        votes: Vec::new(),
        held: String::new(),
        writer: WriterView {
            role: role("writer"),
            vip: "192.168.0.50".parse().unwrap(),
            state: WriterState::Serving,
            host: Some(name("db1")),
            since: ago(273_600),
            why: String::new(),
            blocked: Vec::new(),
        },
        hosts: hosts(),
        roles: vec![
            RoleView {
                name: role("writer"),
                mode: RoleMode::Exclusive,
                writer: true,
                hosts: vec![name("db1"), name("db2")],
                prefer: Some(name("db1")),
                vips: vec![vip("192.168.0.50", "db1", 273_600, &["db2"])],
            },
            RoleView {
                name: role("reader"),
                mode: RoleMode::Balanced,
                writer: false,
                hosts: ["db1", "db2", "db3", "db4", "db5"].map(name).to_vec(),
                prefer: None,
                vips: vec![
                    vip("192.168.0.51", "db1", 273_600, &["db2"]),
                    vip("192.168.0.52", "db2", 273_600, &["db1"]),
                    vip("192.168.0.53", "db2", 161, &["db1"]),
                    vip("192.168.0.54", "db2", 14, &["db1"]),
                ],
            },
        ],
        running: None,
        last: None,
        attention: vec![
            "db4 HARD_OFFLINE: ping and mysql failed for 3.0 s".to_owned(),
            "db3 REPLICATION_DELAY: lag 252 s > 60 s".to_owned(),
        ],
        actions: vec![
            action(Verb::SetActive, "the monitor is ACTIVE already", Level::Key),
            moves_nothing(Verb::SetManual),
            moves_nothing(Verb::SetPassive),
        ],
        last_event: 6,
    }
}

pub(crate) fn event(seq: u64, at: Wall, level: EventLevel, text: [&str; 3]) -> Event {
    let [subject, what, why] = text.map(str::to_owned);
    Event { seq, at, level, subject, what, why, by: None, plan: None, took: None }
}

pub(crate) fn events() -> Vec<Event> {
    use EventLevel::{Error, Info, Warn};
    let mut all = vec![
        event(1, ago(14_630), Info, ["writer", "moved db2 -> db1", "planned"]),
        event(2, ago(13_931), Info, ["mode", "MANUAL -> ACTIVE", ""]),
        event(3, ago(4341), Info, ["db5", "ONLINE -> ADMIN_OFFLINE", "set offline"]),
        event(4, ago(161), Warn, ["db3", "ONLINE -> REPLICATION_DELAY", "lag 252 s > 60 s"]),
        event(5, ago(14), Info, ["reader", "192.168.0.54 moved db4 -> db2", "db4 is down"]),
        event(
            6,
            ago(14),
            Error,
            ["db4", "ONLINE -> HARD_OFFLINE", "ping and mysql failed for 3.0 s"],
        ),
    ];
    all[0].took = Some(Span(1800));
    all[0].plan = Some(118);
    all[1].by = Some("ops@bastion1".to_owned());
    all[2].by = Some("ops@bastion1".to_owned());
    all
}
