//! Every key into its typed value, with stand-ins where a value is wrong: the whole is thrown away
//! then, but the other keys still get looked at. Rules between keys are in `checked`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::keys::{self, Kind};
use super::model::{
    Account, CheckTimes, Checks, Config, FenceEscalation, Host, IsolatedWriter, LogLevel, Monitor,
    Moving, Role,
};
use super::reader::{At, Reader};
use super::secret::Secret;
use super::tree::{Form, Tree, Value};
use super::value::{self, Bad};
use super::words::{self, Check, HostMode, HostName, MonitorMode, RoleMode, Span};
use super::{Program, checked, legacy};

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Linux takes no longer path for a Unix socket.
const SOCKET_PATH_MAX: usize = 107;
/// Shorter keys could be guessed from a recorded handshake.
const CLUSTER_KEY_MIN: usize = 16;

/// Types and checks everything; look at the reader's mistakes before using the result.
pub(super) fn build(reader: &mut Reader<'_>) -> Config {
    let mut config = if reader.program == Program::Control {
        // A control program has the defaults, whatever the other sections say.
        let nothing = Tree::default();
        let mut defaults = Reader::new(&nothing, Path::new(""), Program::Control);
        let (moving, checks) = (moving(&mut defaults), checks(&mut defaults));
        top(reader, moving, checks)
    } else {
        section_names(reader);
        let (moving, checks) = (moving(reader), checks(reader));
        let mut config = top(reader, moving, checks);
        config.hosts = hosts(reader);
        config.roles = roles(reader);
        checked::check(reader, &config);
        config
    };
    if reader.tree.form == Form::Conf {
        legacy::required(reader);
    }
    config.given = std::mem::take(&mut reader.given);
    config
}

fn named<T>(
    value: &Value,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, Bad> {
    let text = value::text(value)?;
    parse(&text).map_err(|why| {
        let remedy = "use 1 to 64 letters, digits, '_', '-' or '.'";
        Bad::new(format!("{} is not a {what} name: {why}", value.quoted()), remedy)
    })
}

fn host_name(value: &Value) -> Result<HostName, Bad> {
    named(value, "host", words::host_name)
}

fn top(reader: &mut Reader<'_>, moving: Moving, checks: Checks) -> Config {
    let at = reader.at(Kind::Top, "");
    let cluster = reader.must(at, "cluster", |value| named(value, "cluster", words::cluster_name));
    let role = |value: &Value| named(value, "role", words::role_name);
    let active_master_role = match reader.program {
        Program::Control => reader.maybe(at, "active_master_role", role),
        _ => reader.must(at, "active_master_role", role),
    };
    let this = match reader.program {
        Program::Agent => reader.must(at, "this", host_name),
        _ => reader.maybe(at, "this", host_name),
    };
    let level = |value: &Value| value::choice(value, "a log level", LogLevel::WORDS);
    let escalation = |value: &Value| {
        value::choice(value, "a way to go on when a fence fails", FenceEscalation::WORDS)
    };
    let isolated =
        |value: &Value| value::choice(value, "a rule for a cut-off writer", IsolatedWriter::WORDS);
    Config {
        cluster: cluster.unwrap_or_else(|| words::fixed("main")),
        active_master_role: active_master_role.unwrap_or_else(|| words::fixed("writer")),
        this,
        state_path: reader.path(at, "state_path").unwrap_or_default(),
        insecure: reader.maybe(at, "insecure", value::flag).unwrap_or_default(),
        cluster_key: cluster_key(reader, at),
        log_path: reader.path(at, "log_path"),
        log_level: reader.maybe(at, "log_level", level).unwrap_or(LogLevel::Info),
        fence_escalation: reader
            .maybe(at, "fence_escalation", escalation)
            .unwrap_or(FenceEscalation::Kill),
        isolated_writer: reader
            .maybe(at, "isolated_writer", isolated)
            .unwrap_or(IsolatedWriter::Fence),
        deadman_event: reader.maybe(at, "deadman_event", value::flag).unwrap_or_default(),
        watchdog_device: reader.path(at, "watchdog_device"),
        monitor: monitor(reader),
        moving,
        hosts: Vec::new(),
        roles: Vec::new(),
        checks,
        given: std::collections::BTreeSet::new(),
    }
}

fn cluster_key<'t>(reader: &mut Reader<'t>, at: At<'t>) -> Option<Secret> {
    let before = reader.mistakes.len();
    let found = reader.secret(at, "cluster_key", true);
    if reader.program == Program::Control {
        // Not needed on the monitor's own socket, so an unreadable key file is no reason to stop.
        let unread: Vec<_> = reader.mistakes.drain(before..).collect();
        reader.warnings.extend(unread);
    }
    let key = found?;
    if key.expose().len() < CLUSTER_KEY_MIN {
        let what = format!("has fewer than {CLUSTER_KEY_MIN} characters");
        reader.wrong(at, "cluster_key", Bad::new(what, "make one with: openssl rand -base64 32"));
    }
    Some(key)
}

fn span(reader: &mut Reader<'_>, kind: Kind, name: &str, key: &str, least: Span) -> Span {
    let at = reader.at(kind, name);
    reader.maybe(at, key, |value| value::span(value, least)).unwrap_or_default()
}

fn monitor(reader: &mut Reader<'_>) -> Monitor {
    let at = reader.at(Kind::Monitor, "");
    let program = reader.program;
    if program != Program::Agent && reader.tree.find(Kind::Monitor, "").is_none() {
        reader.wrong(at, "", Bad::new("the section [monitor] is missing", "write [monitor]"));
    }
    let time = |reader: &mut Reader<'_>, key, least| span(reader, Kind::Monitor, "", key, least);
    let or_never = |span: Span| Some(span).filter(|span| span.as_ms() > 0);
    let kill_host_bin = reader.path(at, "kill_host_bin");
    let most = |value: &Value| value::number(value, 0, 1000);
    Monitor {
        ip: reader.maybe(at, "ip", value::address).unwrap_or(NOBODY),
        port: reader.maybe(at, "port", value::port),
        socket: socket_path(reader, at, "socket").unwrap_or_default(),
        socket_group: reader.maybe(at, "socket_group", value::group).unwrap_or_default(),
        socket_mode: reader.maybe(at, "socket_mode", value::file_mode).unwrap_or_default(),
        status_path: reader.path(at, "status_path").unwrap_or_default(),
        ping_ips: reader.list(at, "ping_ips", value::address),
        ping_interval: time(reader, "ping_interval", Span::ms(100)),
        auto_set_online: or_never(time(reader, "auto_set_online", Span::ms(0))),
        wait_for_other_master: or_never(time(reader, "wait_for_other_master", Span::ms(0))),
        flap_duration: time(reader, "flap_duration", Span::secs(1)),
        flap_count: reader.maybe(at, "flap_count", most).unwrap_or_default(),
        kill_host_bin,
        kill_host_timeout: time(reader, "kill_host_timeout", Span::ms(100)),
        careful_startup: reader.maybe(at, "careful_startup", value::flag).unwrap_or_default(),
        mode: reader.maybe(at, "mode", value::monitor_mode).unwrap_or(MonitorMode::Passive),
        // Kernel lifetimes of addresses count whole seconds.
        // With less, what is left of a grant when it arrives is less than one.
        lease_ttl: time(reader, "lease_ttl", Span::secs(2)),
        heartbeat: time(reader, "heartbeat", Span::ms(20)),
    }
}

fn socket_path<'t>(reader: &mut Reader<'t>, at: At<'t>, key: &str) -> Option<PathBuf> {
    let path = reader.path(at, key)?;
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        let what = format!("the path has {length} bytes; a Unix socket takes {SOCKET_PATH_MAX}");
        reader.wrong(at, key, Bad::new(what, "choose a shorter path"));
    }
    Some(path)
}

fn moving(reader: &mut Reader<'_>) -> Moving {
    let mut time = |key, least| span(reader, Kind::Move, "", key, Span::ms(least));
    Moving {
        drain_timeout: time("drain_timeout", 1),
        drain_lag: time("drain_lag", 1),
        freeze_grace: time("freeze_grace", 0),
        catch_up_timeout: time("catch_up_timeout", 1),
        step_timeout: time("step_timeout", 1),
        max_transaction: time("max_transaction", 0),
    }
}

/// The names between the brackets.
fn section_names(reader: &mut Reader<'_>) {
    let tree = reader.tree;
    for section in &tree.sections {
        let at = reader.at(section.kind, &section.name);
        let text = Value::Text(section.name.clone());
        let bad = match section.kind {
            Kind::Host => host_name(&text).err(),
            Kind::Role if section.name == "default" => {
                let what = "roles have no template";
                Some(Bad::new(what, "write its keys in each role, and remove it"))
            }
            Kind::Role => named(&text, "role", words::role_name).err(),
            Kind::Check if section.name == "default" => None,
            Kind::Check => unknown_check(&section.name),
            _ => None,
        };
        if let Some(bad) = bad {
            reader.wrong(at, "", bad);
        }
    }
}

fn unknown_check(name: &str) -> Option<Bad> {
    if Check::parse(name).is_some() {
        return None;
    }
    let words = Check::ALL.map(Check::word);
    let remedy = match keys::nearest(name, words.into_iter()) {
        Some(near) => format!("did you mean [check.{near}]?"),
        None => format!("there are: {}", words.join(", ")),
    };
    Some(Bad::new("there is no such check", remedy))
}

fn hosts(reader: &mut Reader<'_>) -> Vec<Host> {
    let tree = reader.tree;
    if tree.named(Kind::Host).next().is_none() {
        let remedy = "write a section [host.NAME] for each database host";
        reader.wrong(reader.at(Kind::Host, ""), "", Bad::new("there are no hosts", remedy));
    }
    // Looked at even if its name is none: that has been reported, what stands in it has not.
    tree.named(Kind::Host).filter_map(|section| host(reader, &section.name)).collect()
}

fn host(reader: &mut Reader<'_>, name: &str) -> Option<Host> {
    let at = reader.at(Kind::Host, name);
    let program = reader.program;
    let ip = reader.must(at, "ip", value::address).unwrap_or(NOBODY);
    let mode = reader.must(at, "mode", value::host_mode).unwrap_or(HostMode::Slave);
    let peer = reader.maybe(at, "peer", host_name);
    let interface = reader.must(at, "cluster_interface", value::interface);
    let mysql_port = reader.must(at, "mysql_port", value::port).unwrap_or_default();
    let mysql_socket = socket_path(reader, at, "mysql_socket");
    let mysql_pidfile = reader.path(at, "mysql_pidfile");
    let agent_port = reader.must(at, "agent_port", value::port).unwrap_or_default();
    let agent = account(reader, at, "agent", program == Program::Agent);
    let monitor = account(reader, at, "monitor", program == Program::Monitor);
    let replication = account(reader, at, "replication", program == Program::Agent);
    let name = words::host_name(name).ok()?;
    Some(Host {
        name,
        ip,
        mode,
        peer,
        cluster_interface: interface.unwrap_or_default(),
        mysql_port,
        mysql_socket,
        mysql_pidfile,
        agent_port,
        agent,
        monitor,
        replication,
    })
}

fn account<'t>(reader: &mut Reader<'t>, at: At<'t>, whose: &str, needed: bool) -> Account {
    let (user_key, password_key) = (format!("{whose}_user"), format!("{whose}_password"));
    let (user, password) = if needed {
        (reader.must(at, &user_key, value::text), reader.must_secret(at, &password_key))
    } else {
        (reader.maybe(at, &user_key, value::text), reader.secret(at, &password_key, false))
    };
    Account { user: user.unwrap_or_default(), password: password.unwrap_or_default() }
}

fn roles(reader: &mut Reader<'_>) -> Vec<Role> {
    let tree = reader.tree;
    tree.named(Kind::Role).filter_map(|section| role(reader, &section.name)).collect()
}

fn role(reader: &mut Reader<'_>, name: &str) -> Option<Role> {
    let at = reader.at(Kind::Role, name);
    let mode = reader.must(at, "mode", value::role_mode).unwrap_or(RoleMode::Balanced);
    let hosts = reader.must_list(at, "hosts", host_name);
    let ips = reader.must_list(at, "ips", value::address);
    let prefer = reader.maybe(at, "prefer", host_name);
    words::role_name(name).ok().map(|name| Role { name, mode, hosts, ips, prefer })
}

fn checks(reader: &mut Reader<'_>) -> Checks {
    let mut times = |check: Check| {
        let name = check.word();
        let mut time = |key, least| span(reader, Kind::Check, name, key, Span::ms(least));
        CheckTimes {
            check_period: time("check_period", 10),
            trap_period: time("trap_period", 0),
            timeout: time("timeout", 10),
            max_backlog: time("max_backlog", 1),
        }
    };
    Checks {
        ping: times(Check::Ping),
        mysql: times(Check::Mysql),
        rep_threads: times(Check::RepThreads),
        rep_backlog: times(Check::RepBacklog),
    }
}
