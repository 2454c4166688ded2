//! The one table of keys: which section has which key, its default or a sample, and which keys of the
//! original are accepted without being used. What a value may be is not here.

use super::tree::Value;

/// A kind of section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Top,
    Monitor,
    Move,
    Host,
    Role,
    Check,
    Socket,
    CopyMethod,
}

impl Kind {
    const SECTIONS: [Self; 7] = [
        Self::Monitor,
        Self::Move,
        Self::Host,
        Self::Role,
        Self::Check,
        Self::Socket,
        Self::CopyMethod,
    ];

    /// The word between the brackets.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Monitor => "monitor",
            Self::Move => "move",
            Self::Host => "host",
            Self::Role => "role",
            Self::Check => "check",
            Self::Socket => "socket",
            Self::CopyMethod => "copy_method",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::SECTIONS.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the section is written `[kind.NAME]`.
    pub(super) const fn is_named(self) -> bool {
        matches!(
            self,
            Self::Host | Self::Role | Self::Check | Self::CopyMethod
        )
    }

    /// Whether `[kind.default]` fills the other sections of the kind.
    pub(super) const fn has_template(self) -> bool {
        matches!(self, Self::Host | Self::Check | Self::CopyMethod)
    }

    /// How the section is written, such as `[host.NAME]`.
    pub(super) fn heading(self) -> String {
        if self.is_named() {
            format!("[{}.NAME]", self.word())
        } else {
            format!("[{}]", self.word())
        }
    }
}

/// What becomes of a key that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Preset {
    Text(&'static str),
    Number(i64),
    Flag(bool),
    /// An empty list.
    Nothing,
    /// No default; a sample for the remedy instead, as it would be written.
    Sample(&'static str),
    /// A key of the original without use here, and why.
    Unused(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) preset: Preset,
}

impl Key {
    /// The default as if it had been written.
    pub(super) fn default(&self) -> Option<Value> {
        match self.preset {
            Preset::Text(text) => Some(Value::Text(text.to_owned())),
            Preset::Number(number) => Some(Value::Integer(number)),
            Preset::Flag(flag) => Some(Value::Bool(flag)),
            Preset::Nothing => Some(Value::List(Vec::new())),
            Preset::Sample(_) | Preset::Unused(_) => None,
        }
    }
}

const fn key(kind: Kind, name: &'static str, preset: Preset) -> Key {
    Key { kind, name, preset }
}

use Kind::{Check, CopyMethod, Host, Monitor, Move, Role, Socket, Top};
use Preset::{Flag, Nothing, Number, Sample, Text, Unused};

const SERVICE: &str = "programs run in the foreground and the service manager knows their process";
const HELPERS: &str = "nothing is run through helper programs";
const TOOLS: &str = "backup, clone and restore are left to other tools";
const BLOCKING: &str = "new connections are always refused before a move";

/// Every key that a file may have.
pub(super) const KEYS: &[Key] = &[
    key(Top, "include", Sample("\"mmm_common.toml\"")),
    key(Top, "cluster", Text("main")),
    key(Top, "active_master_role", Sample("\"writer\"")),
    key(Top, "this", Sample("\"db1\"")),
    key(
        Top,
        "state_path",
        Text("/var/lib/mysql-mmm/mmm_agentd.json"),
    ),
    key(Top, "insecure", Flag(false)),
    key(Top, "cluster_key", Sample("\"...\"")),
    key(Top, "cluster_key_file", Sample("\"cluster.key\"")),
    key(Top, "log_path", Sample("\"/var/log/mysql-mmm/mmm.log\"")),
    key(Top, "log_level", Text("info")),
    key(Top, "fence_escalation", Text("kill")),
    key(Top, "isolated_writer", Text("fence")),
    key(Top, "debug", Unused("use log_level = \"debug\"")),
    key(
        Top,
        "max_kill_retries",
        Unused("ending sessions is bounded by time: [move] step_timeout"),
    ),
    key(Top, "blocking_type", Unused(BLOCKING)),
    key(Top, "iptables_block_cmd", Unused(BLOCKING)),
    key(Top, "iptables_unblock_cmd", Unused(BLOCKING)),
    key(Top, "default_copy_method", Unused(TOOLS)),
    key(Top, "clone_dirs", Unused(TOOLS)),
    key(Monitor, "ip", Text("127.0.0.1")),
    key(Monitor, "port", Sample("9988")),
    key(Monitor, "socket", Text("/run/mysql-mmm/mmm_mond.sock")),
    key(Monitor, "socket_group", Text("mmm")),
    key(Monitor, "socket_mode", Text("0660")),
    key(
        Monitor,
        "status_path",
        Text("/var/lib/mysql-mmm/mmm_mond.status"),
    ),
    key(Monitor, "ping_ips", Nothing),
    key(Monitor, "ping_interval", Text("1s")),
    key(Monitor, "auto_set_online", Number(0)),
    key(Monitor, "wait_for_other_master", Text("120s")),
    key(Monitor, "flap_duration", Text("1h")),
    key(Monitor, "flap_count", Number(3)),
    key(
        Monitor,
        "kill_host_bin",
        Sample("\"/usr/local/sbin/kill_host\""),
    ),
    key(Monitor, "careful_startup", Flag(true)),
    key(Monitor, "mode", Text("active")),
    key(Monitor, "lease_ttl", Text("3s")),
    key(Monitor, "heartbeat", Text("500ms")),
    key(Monitor, "pid_path", Unused(SERVICE)),
    key(Monitor, "bin_path", Unused(HELPERS)),
    key(Move, "drain_timeout", Text("10s")),
    key(Move, "drain_lag", Text("2s")),
    key(Move, "freeze_grace", Text("1s")),
    key(Move, "catch_up_timeout", Text("10s")),
    key(Move, "step_timeout", Text("5s")),
    key(Move, "max_transaction", Text("5s")),
    key(Host, "ip", Sample("\"192.168.194.151\"")),
    key(Host, "mode", Sample("\"master\"")),
    key(Host, "peer", Sample("\"db2\"")),
    key(Host, "cluster_interface", Sample("\"eth0\"")),
    key(Host, "mysql_port", Number(3306)),
    key(Host, "mysql_socket", Sample("\"/run/mysqld/mysqld.sock\"")),
    key(Host, "mysql_pidfile", Sample("\"/run/mysqld/mysqld.pid\"")),
    key(Host, "agent_port", Number(9989)),
    key(Host, "agent_user", Sample("\"mmm_agent\"")),
    key(Host, "agent_password", Sample("\"...\"")),
    key(Host, "agent_password_file", Sample("\"agent.password\"")),
    key(Host, "monitor_user", Sample("\"mmm_monitor\"")),
    key(Host, "monitor_password", Sample("\"...\"")),
    key(
        Host,
        "monitor_password_file",
        Sample("\"monitor.password\""),
    ),
    key(Host, "replication_user", Sample("\"repl\"")),
    key(Host, "replication_password", Sample("\"...\"")),
    key(
        Host,
        "replication_password_file",
        Sample("\"replication.password\""),
    ),
    key(Host, "pid_path", Unused(SERVICE)),
    key(Host, "bin_path", Unused(HELPERS)),
    key(Host, "mysql_rcscript", Unused(TOOLS)),
    key(Host, "mysql_cnf", Unused(TOOLS)),
    key(Host, "ssh_user", Unused(TOOLS)),
    key(Host, "ssh_port", Unused(TOOLS)),
    key(Host, "ssh_parameters", Unused(TOOLS)),
    key(Host, "tools_user", Unused(TOOLS)),
    key(Host, "tools_password", Unused(TOOLS)),
    key(Host, "backup_dir", Unused(TOOLS)),
    key(Host, "restore_dir", Unused(TOOLS)),
    key(Host, "lvm_bin_lvcreate", Unused(TOOLS)),
    key(Host, "lvm_bin_lvremove", Unused(TOOLS)),
    key(Host, "lvm_snapshot_size", Unused(TOOLS)),
    key(Host, "lvm_logical_volume", Unused(TOOLS)),
    key(Host, "lvm_volume_group", Unused(TOOLS)),
    key(Host, "lvm_mount_dir", Unused(TOOLS)),
    key(Host, "lvm_mount_opts", Unused(TOOLS)),
    key(Role, "mode", Sample("\"exclusive\"")),
    key(Role, "hosts", Sample("[\"db1\", \"db2\"]")),
    key(Role, "ips", Sample("[\"192.168.194.90\"]")),
    key(Role, "prefer", Sample("\"db1\"")),
    key(Check, "check_period", Text("1s")),
    key(Check, "trap_period", Text("3s")),
    key(Check, "timeout", Text("2s")),
    key(Check, "max_backlog", Text("60s")),
    key(
        Check,
        "restart_after",
        Unused("there is no checker process to restart"),
    ),
    key(Socket, "type", Unused("links are secured by cluster_key")),
    key(
        Socket,
        "cert_file",
        Unused("links are secured by cluster_key"),
    ),
    key(
        Socket,
        "key_file",
        Unused("links are secured by cluster_key"),
    ),
    key(
        Socket,
        "ca_file",
        Unused("links are secured by cluster_key"),
    ),
    key(CopyMethod, "backup_command", Unused(TOOLS)),
    key(CopyMethod, "restore_command", Unused(TOOLS)),
    key(CopyMethod, "incremental_command", Unused(TOOLS)),
    key(CopyMethod, "incremental", Unused(TOOLS)),
    key(CopyMethod, "single_run", Unused(TOOLS)),
    key(CopyMethod, "true_copy", Unused(TOOLS)),
];

/// The key of that name in a kind of section.
pub(super) fn find(kind: Kind, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.kind == kind && key.name == name)
}

/// Whether the key's text is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    name.ends_with("_password") || name == "cluster_key"
}

/// `x_password` for `x_password_file` and the other way round; likewise `cluster_key`.
pub(super) fn twin(name: &str) -> Option<String> {
    if is_secret(name) {
        return Some(format!("{name}_file"));
    }
    name.strip_suffix("_file")
        .filter(|base| is_secret(base))
        .map(str::to_owned)
}

/// The key of that section kind that a misspelt one most likely means.
pub(super) fn meant(kind: Kind, name: &str) -> Option<&'static str> {
    let used = KEYS
        .iter()
        .filter(|key| key.kind == kind && !matches!(key.preset, Unused(_)));
    nearest(name, used.map(|key| key.name))
}

/// What to do about a name that is none of `names`: the one that is meant, or all.
pub(super) fn remedy_for_name(name: &str, names: &[&str]) -> String {
    let far: Vec<usize> = names
        .iter()
        .map(|near| strsim::damerau_levenshtein(name, near))
        .collect();
    let least = far.iter().copied().min().unwrap_or(usize::MAX);
    let alone = far.iter().filter(|far| **far == least).count() == 1;
    match nearest(name, names.iter().copied()) {
        Some(near) if alone => format!("did you mean {near:?}?"),
        _ => format!("there are: {}", names.join(", ")),
    }
}

/// The nearest of `candidates`, if one is near enough to be meant.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(far, candidate)| *far <= (candidate.len() / 3).max(1))
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// What to do about a key that its section does not have.
pub(super) fn remedy_for_unknown(kind: Kind, name: &str) -> String {
    if name == "include" {
        return "it belongs at the top of the file, before the first [section]".to_owned();
    }
    let used = |key: &&Key| !matches!(key.preset, Unused(_));
    let here = KEYS
        .iter()
        .filter(used)
        .filter(|key| key.kind == kind)
        .map(|key| key.name);
    let words = Kind::SECTIONS.into_iter().map(Kind::word);
    let near = if kind == Top {
        nearest(name, here.chain(words))
    } else {
        nearest(name, here)
    };
    if let Some(near) = near {
        return match Kind::parse(near) {
            Some(section) if kind == Top => {
                format!("did you mean the section {}?", section.heading())
            }
            _ => format!("did you mean {near:?}?"),
        };
    }
    match KEYS.iter().filter(used).find(|key| key.name == name) {
        Some(key) if key.kind == Top => {
            "it belongs at the top of the file, before the first [section]".to_owned()
        }
        Some(key) => format!("it belongs in {}", key.kind.heading()),
        None => "remove it, or see config/README.md for the keys that exist".to_owned(),
    }
}

/// A key or section name as messages show it: quoted when it is not plain.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("{:?}", name.chars().take(64).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            let again = KEYS[at + 1..]
                .iter()
                .any(|k| k.kind == key.kind && k.name == key.name);
            assert!(!again, "{:?} {}", key.kind, key.name);
        }
    }

    #[test]
    fn every_secret_has_its_file() {
        for key in KEYS.iter().filter(|key| is_secret(key.name)) {
            let unused = matches!(key.preset, Unused(_));
            let file = twin(key.name).unwrap();
            assert_eq!(find(key.kind, &file).is_some(), !unused, "{}", key.name);
            assert_eq!(twin(&file).as_deref(), Some(key.name));
        }
        assert_eq!(twin("cert_file"), None);
    }

    #[test]
    fn what_was_meant_is_named() {
        for (kind, name, remedy) in [
            (Host, "agent_pasword", "did you mean \"agent_password\"?"),
            (Host, "IP", "did you mean \"ip\"?"),
            (Top, "hots", "did you mean the section [host.NAME]?"),
            (
                Host,
                "this",
                "it belongs at the top of the file, before the first [section]",
            ),
            (Check, "lease_ttl", "it belongs in [monitor]"),
            (
                Role,
                "qqqqqq",
                "remove it, or see config/README.md for the keys that exist",
            ),
        ] {
            assert_eq!(remedy_for_unknown(kind, name), remedy);
        }
    }
}
