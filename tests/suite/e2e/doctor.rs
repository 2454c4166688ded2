//! `mmm-control doctor` and `mmm-agentd --check`: nothing bad on a healthy cluster, and each thing
//! that is broken is named with its remedy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lab::Options;
use lab::daemons::binary;
use lab::wait::until;
use mmm_proto::doctor::{Finding, Level};

use super::{Cluster, LATER, SOON, all_online};

/// What the doctor finds, and its exit code.
fn examined(cluster: &Cluster, host: Option<&str>) -> (i32, Vec<Finding>) {
    let words: Vec<&str> = ["--json", "doctor"].into_iter().chain(host).collect();
    let said = cluster.lab.daemons().unwrap().control(&words).unwrap();
    let answer: serde_json::Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let findings = serde_json::from_value(answer["findings"].clone());
    (said.code, findings.unwrap_or_else(|error| panic!("{error}: {answer}")))
}

fn bad(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.level == Level::Bad).collect()
}

/// Waits until the doctor calls that bad; its remedy.
pub(super) fn found(cluster: &Cluster, subject: &str, what: &str) -> String {
    until(&format!("the doctor to find {what:?}"), LATER, || {
        let (code, findings) = examined(cluster, None);
        let one = findings.iter().find(|finding| {
            finding.level == Level::Bad && finding.subject == subject && finding.what.contains(what)
        });
        match one {
            Some(finding) if code == 1 => Ok(finding.remedy.clone()),
            _ => Err(format!("exit {code}, {:?}", bad(&findings))),
        }
    })
    .unwrap()
}

pub(super) fn nothing_bad(cluster: &Cluster) -> Vec<Finding> {
    until("the doctor to find nothing bad", LATER, || {
        let (code, findings) = examined(cluster, None);
        let bad = bad(&findings);
        if code == 0 && bad.is_empty() {
            Ok(findings)
        } else {
            Err(format!("exit {code}, {bad:?}"))
        }
    })
    .unwrap()
}

/// By root of the server, and nothing of it in the binary log.
pub(super) fn sql(cluster: &Cluster, host: &str, statement: &str) {
    let statement = format!("SET SESSION sql_log_bin=0; {statement}");
    cluster.lab.server(host).unwrap().sql(&statement).unwrap();
}

#[test]
fn a_healthy_cluster_has_nothing_bad_and_each_fault_is_named_with_its_remedy() {
    let cluster = Cluster::up(&Options::with_daemons());
    let findings = nothing_bad(&cluster);
    for host in ["db1", "db2", "db3"] {
        for check in [
            "starts read-only",
            "agent's account",
            "interface",
            "capabilities",
            "state_path",
            "mysql from the monitor",
            "fence_escalation",
        ] {
            let well = findings.iter().any(|finding| {
                finding.subject == host && finding.check == check && finding.level != Level::Bad
            });
            assert!(well, "{host}: {check}: {findings:#?}");
        }
    }
    let text = cluster.lab.daemons().unwrap().must(&["doctor"]).unwrap();
    assert!(
        text.lines().filter(|line| !line.contains("-> ")).all(|line| line.len() <= 80),
        "{text}"
    );
    println!("{text}");
    accounts(&cluster);
    settings(&cluster);
    reach(&cluster);
    cluster.assert_never_two_writers();
}

fn accounts(cluster: &Cluster) {
    let unseen = examined(cluster, Some("db1")).1;
    let unseen = unseen.iter().find(|f| f.check == "application accounts").unwrap();
    assert!(unseen.level == Level::Warn, "{unseen:?}");
    assert!(unseen.remedy.contains("GRANT SELECT ON mysql.* TO 'mmm_agent'@'%'"), "{unseen:?}");
    sql(cluster, "db1", "GRANT SELECT ON mysql.* TO mmm_agent@'%'");
    let (code, seen) = examined(cluster, Some("db1"));
    assert!(code == 0, "{seen:?}");
    assert!(seen.iter().all(|finding| finding.subject == "db1"), "{seen:?}");
    sql(cluster, "db1", "CREATE USER rich@'%'; GRANT ALL PRIVILEGES ON *.* TO rich@'%'");
    let remedy = found(cluster, "db1", "'rich'@'%' writes where read_only is set");
    assert_eq!(remedy, "REVOKE READ_ONLY ADMIN ON *.* FROM 'rich'@'%';");
    sql(cluster, "db1", "DROP USER rich@'%'");
    nothing_bad(cluster);
    sql(cluster, "db2", "REVOKE RELOAD ON *.* FROM mmm_agent@'%'");
    let remedy = found(cluster, "db2", "lacks RELOAD");
    assert_eq!(remedy, "GRANT RELOAD ON *.* TO 'mmm_agent'@'%';");
    // As it says.
    sql(cluster, "db2", &remedy);
    nothing_bad(cluster);
    // What is open keeps its rights.
    let again = "KILL CONNECTION USER mmm_monitor";
    sql(cluster, "db3", &format!("REVOKE SLAVE MONITOR ON *.* FROM mmm_monitor@'%'; {again}"));
    let remedy = found(cluster, "db3", "does not see replication");
    assert!(remedy.starts_with("GRANT SLAVE MONITOR, BINLOG MONITOR"), "{remedy}");
    sql(cluster, "db3", &format!("GRANT SLAVE MONITOR ON *.* TO mmm_monitor@'%'; {again}"));
    nothing_bad(cluster);
}

fn settings(cluster: &Cluster) {
    sql(cluster, "db2", "SET GLOBAL binlog_format=STATEMENT");
    let remedy = found(cluster, "cluster", "binlog_format is");
    assert!(remedy.contains("binlog_format in my.cnf"), "{remedy}");
    sql(cluster, "db2", "SET GLOBAL binlog_format=MIXED");
    nothing_bad(cluster);
    // The agent's program, on the host itself, with a VIP that is nowhere near.
    let home = cluster.lab.folder().join("db3");
    let folder = tempfile::tempdir().unwrap();
    let check = |common: &str| {
        let file = folder.path().join("mmm_common.toml");
        fs::write(&file, common).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        fs::copy(home.join("mmm_agent.toml"), folder.path().join("mmm_agent.toml")).unwrap();
        let mut command = cluster.lab.host("db3").unwrap().command(binary("mmm-agentd").unwrap());
        let config = folder.path().join("mmm_agent.toml");
        let done = command.arg("--check").arg("--config").arg(config).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        (done.status.code(), format!("{text}{}", String::from_utf8_lossy(&done.stderr)))
    };
    let common = fs::read_to_string(home.join("mmm_common.toml")).unwrap();
    let (code, text) = check(&common);
    assert!(code == Some(0) && text.contains("db3: interface,"), "{text}");
    let (code, text) = check(&common.replace("\"10.77.0.103\"", "\"10.99.0.103\""));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        code == Some(1) && words.contains("10.99.0.103 of role reader is in no network"),
        "{text}"
    );
}

fn reach(cluster: &Cluster) {
    let fault = cluster.lab.cut("db2", "db3").unwrap();
    let remedy = found(cluster, "db2", "10.77.0.13:9989 cannot be reached");
    assert!(remedy.contains("nc -vz 10.77.0.13 9989"), "{remedy}");
    found(cluster, "db3", "db3 could not replicate from db2");
    cluster.lab.heal(&fault).unwrap();
    all_online(&cluster.lab, LATER);
    nothing_bad(cluster);
    let daemons = cluster.lab.daemons().unwrap();
    let agent = daemons.agent("db3").unwrap();
    agent.stop().unwrap();
    let remedy = found(cluster, "db3", "its agent cannot be reached");
    assert!(remedy.contains("mmm-agentd --check"), "{remedy}");
    agent.start().unwrap();
    all_online(&cluster.lab, LATER);
    let said = daemons.control(&["doctor", "db9"]).unwrap();
    assert!(said.code == 1 && said.stderr.contains("no host db9"), "{said:?}");
    cluster.client.wait_rows(20, SOON).unwrap();
}
