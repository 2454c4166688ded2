//! What a `.conf` file means without saying it: the original's defaults where they are not ours,
//! keys that it insists on, keys that mean one of ours.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mmm_proto::conf;

use super::super::Program;
use super::super::keys::Kind::{self, Check, Host, Monitor, Top};
use super::super::reader::Reader;
use super::super::tree::{Entry, Form, Tree, Value};
use super::super::value::Bad;

/// The original's defaults that are not ours. Its default of `mysql_pidfile` is not here: it was
/// for its backup tools, and our agent does better by asking the server.
pub(in crate::config) const DEFAULTS: [(Kind, &str, i64); 3] =
    [(Monitor, "port", 9988), (Check, "check_period", 5), (Check, "trap_period", 10)];

/// The default that a key has in the original's files, if it is another than ours.
pub(in crate::config) fn default_of(tree: &Tree, kind: Kind, key: &str) -> Option<Value> {
    if tree.form != Form::Conf {
        return None;
    }
    if (kind, key) == (Top, "insecure") {
        return Some(Value::Bool(!has_cluster_key(tree)));
    }
    let row = DEFAULTS.iter().find(|(of, name, _)| (*of, *name) == (kind, key));
    row.map(|(.., number)| Value::Integer(*number))
}

/// Whether the files give a cluster key in either way.
pub(in crate::config) fn has_cluster_key(tree: &Tree) -> bool {
    let top = tree.find(Top, "");
    ["cluster_key", "cluster_key_file"]
        .iter()
        .any(|key| top.is_some_and(|top| top.entry(key).is_some()))
}

/// Gives keys of the original that mean one of ours that one's name.
pub(in crate::config) fn finish(tree: &mut Tree) {
    debug(tree);
    kill_host(tree);
}

/// `debug 1` is `log_level debug`, `debug 0` is `log_level info`.
fn debug(tree: &mut Tree) {
    let Some(top) = tree.sections.iter_mut().find(|section| section.kind == Top) else { return };
    let told = top.entry("log_level").is_some();
    for entry in top.entries.iter_mut().filter(|entry| entry.key == "debug" && !told) {
        let Value::Text(text) = &entry.value else { continue };
        let Some(on) = conf::flag(text) else { continue };
        entry.key = "log_level".to_owned();
        entry.value = Value::Text(if on { "debug" } else { "info" }.to_owned());
    }
}

/// `kill_host_bin` is looked for in `bin_path/monitor/`, and without a word of it a program
/// `kill_host` there is taken.
fn kill_host(tree: &mut Tree) {
    let monitor = tree.sections.iter_mut().find(|section| section.kind == Monitor);
    let Some(monitor) = monitor else { return };
    let Some(bin) = monitor.entry("bin_path").cloned() else { return };
    let Value::Text(folder) = &bin.value else { return };
    let folder = Path::new(folder.trim_end_matches('/')).join("monitor");
    let given = monitor.entries.iter_mut().find(|entry| entry.key == "kill_host_bin");
    if let Some(entry) = given {
        if let Value::Text(name) = &entry.value
            && !name.is_empty()
            && Path::new(name).is_relative()
        {
            entry.value = Value::Text(folder.join(name).display().to_string());
        }
        return;
    }
    let usual = folder.join("kill_host");
    let is_program = std::fs::metadata(&usual)
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
    if is_program {
        let value = Value::Text(usual.display().to_string());
        let key = "kill_host_bin".to_owned();
        monitor.entries.push(Entry { key, value, place: bin.place });
    }
}

/// Keys without which the original does not start, though nothing here needs them or has a default
/// for them. What it refuses is refused.
pub(in crate::config) fn required(reader: &mut Reader<'_>) {
    let tree = reader.tree;
    if let Some(entry) = tree.find(Top, "").and_then(|top| top.entry("debug"))
        && matches!(&entry.value, Value::Text(text) if conf::flag(text).is_none())
    {
        let bad =
            Bad::new(format!("{} is not true or false", entry.value.quoted()), "write 1 or 0");
        reader.wrong(reader.at(Top, ""), "debug", bad);
    }
    if reader.program == Program::Agent {
        for host in tree.named(Host) {
            let at = reader.at(Host, &host.name);
            reader.demand(at, "pid_path", "/run/mysql-mmm/mmm_agentd.pid");
            reader.demand(at, "bin_path", "/usr/libexec/mysql-mmm");
        }
        return;
    }
    if tree.find(Monitor, "").is_none() {
        return;
    }
    let at = reader.at(Monitor, "");
    reader.demand(at, "ip", "127.0.0.1");
    if reader.program == Program::Monitor {
        reader.demand(at, "pid_path", "/run/mysql-mmm/mmm_mond.pid");
        reader.demand(at, "bin_path", "/usr/libexec/mysql-mmm");
        reader.demand(at, "status_path", "/var/lib/mysql-mmm/mmm_mond.status");
        reader.demand(at, "ping_ips", "192.168.194.1");
    }
}
