//! What a person should look at after a translation: what was noticed, what was left out, what is
//! worth another value here, and what is to be done before the first start.

use std::path::Path;

use super::super::Program;
use super::super::keys::{self, Kind, Preset};
use super::super::reader::UNUSED;
use super::Work;
use super::page::is_open;

/// The points, most pressing first.
pub(super) fn review(work: &Work, out: &Path) -> Vec<String> {
    let mut points = Vec::new();
    security(work, &mut points);
    let own_points = |key: &str, what: &str| key == "cluster_key" || what.starts_with(UNUSED);
    for warning in &work.warnings {
        if !own_points(&warning.key, &warning.what) {
            points.push(warning.to_string());
        }
    }
    times(work, &mut points);
    monitor(work, &mut points);
    left_out(work, &mut points);
    to_do(work, out, &mut points);
    points
}

fn security(work: &Work, points: &mut Vec<String>) {
    let open = work.sources.iter().all(|source| is_open(&source.files.tree));
    if open {
        points.push(
            "insecure = true was written: as with the original, anybody who reaches the daemons' \
             ports can take addresses away and make servers writable. Make a key with `openssl \
             rand -base64 32 > cluster.key`, put it on every host, and write cluster_key_file = \
             \"cluster.key\" instead."
                .to_owned(),
        );
    }
}

fn times(work: &Work, points: &mut Vec<String>) {
    for main in &work.mains {
        let Some(config) = main.config.as_ref().filter(|_| main.program == Some(Program::Monitor))
        else {
            continue;
        };
        let times = config.checks.mysql;
        if times.trap_period.as_ms() > 3_000 || times.check_period.as_ms() > 1_000 {
            points.push(format!(
                "{}: check_period {} and trap_period {} are kept: a server that hangs is noticed \
                 after the trap_period. The defaults here are 1 s and 3 s.",
                main.path.display(),
                humantime::format_duration(times.check_period.into()),
                humantime::format_duration(times.trap_period.into()),
            ));
        }
    }
}

fn monitor(work: &Work, points: &mut Vec<String>) {
    let monitors = || {
        let mains = work.mains.iter().filter(|main| main.program == Some(Program::Monitor));
        mains.filter_map(|main| main.config.as_ref().map(|config| (&main.path, &config.monitor)))
    };
    for (path, monitor) in monitors() {
        if let Some(address) = monitor.console_address() {
            points.push(format!(
                "{}: consoles are served at {address}, as before, and on the socket {}. Without \
                 `port` there would be the socket only.",
                path.display(),
                monitor.socket.display()
            ));
        }
        if let Some(program) = &monitor.kill_host_bin {
            points.push(format!(
                "{}: {} is taken over as kill_host_bin: when it ends with 0, the host is taken \
                 for cut off and another may become the writer at once. Make sure that it does \
                 cut the host off.",
                path.display(),
                program.display()
            ));
        }
        points.push(format!(
            "{}: status_path {} may still hold the original's status file, which is not ours and \
             not written over: move it away before the first start.",
            path.display(),
            monitor.status_path.display()
        ));
    }
    if monitors().count() > 1 {
        points.push(
            "Several clusters: give each a name of its own, cluster = \"NAME\", in the files of \
             its monitor and all its agents, and each monitor a socket and a status_path of its \
             own."
                .to_owned(),
        );
    }
}

fn left_out(work: &Work, points: &mut Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    for source in &work.sources {
        for section in &source.files.tree.sections {
            for entry in &section.entries {
                let key = keys::find(section.kind, &entry.key);
                let Some(Preset::Unused(why)) = key.map(|key| key.preset) else { continue };
                let name = format!("{} {}", section.kind.word(), entry.key);
                let name = format!("{} ({why})", name.trim_start());
                if entry.place.file == source.path && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        if source.files.tree.find(Kind::Socket, "").is_some() {
            let name = "the section <socket>".to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if !names.is_empty() {
        points.push(format!("Left out, because they have no use here: {}.", names.join("; ")));
    }
    points.push("Comments of the original's files are not carried over.".to_owned());
    for name in &work.left_out {
        let why = if super::is_of(name, "mmm_tools") {
            "the tools it is for are not part of this: use others for backups"
        } else {
            "no file above includes it"
        };
        let translated = work.sources.iter().any(|source| source.path.ends_with(name));
        if !translated {
            points.push(format!("{name} is not translated: {why}."));
        }
    }
}

fn to_do(work: &Work, out: &Path, points: &mut Vec<String>) {
    if work.mains.iter().any(|main| main.program.is_none()) {
        points.push(
            "A common file is included by no agent's and no monitor's file here: its values were \
             not checked. Put all files into one folder to have them checked."
                .to_owned(),
        );
    }
    points.push(format!(
        "The files hold passwords and are open to their owner and group only: let the group of the \
         programs read them, such as `chgrp mmm {}/mmm_*.toml`.",
        out.display()
    ));
    points.push(
        "mmm_common.toml must be the same on all hosts; `this` in mmm_agent.toml differs on each."
            .to_owned(),
    );
    points.push(
        "The accounts need other privileges than before, such as the right to set read_only: see \
         the GRANT lines in README.md."
            .to_owned(),
    );
    points.push(
        "Replication must use GTID (MASTER_USE_GTID on MariaDB); the original used binlog \
         positions."
            .to_owned(),
    );
    points.push(
        "Check with `mmm-agentd --check` and `mmm-mond --check`; stop the original's monitor and \
         agents before the new ones start."
            .to_owned(),
    );
}
