//! The doctor: everybody is asked, nobody is waited for longer than the limit, and the hosts are
//! held against each other.

use mmm_proto::Check;
use mmm_proto::agent::Settings;
use mmm_proto::console::Answer;
use mmm_proto::doctor::{Finding, Level};

use super::advice::settings;
use super::cluster::Cluster;

fn cluster() -> Cluster {
    let mut c = Cluster::in_service();
    for host in 0..3 {
        c.hosts[host].server.settings = settings(host as u32 + 1);
    }
    c.hosts[2].server.settings = settings(1);
    c.run(22_000);
    c
}

fn examined(c: &mut Cluster, words: &str) -> Vec<Finding> {
    match c.control(words) {
        Answer::Examined { findings } => findings,
        other => panic!("{other:?}\n{}", c.tail()),
    }
}

/// The findings that are not as they should be, as `level subject what`.
fn troubles(c: &mut Cluster) -> Vec<String> {
    let findings = examined(c, "doctor");
    let worse = findings.into_iter().filter(|finding| finding.level != Level::Ok);
    worse.map(|f| format!("{} {} {} -> {}", f.level.word(), f.subject, f.what, f.remedy)).collect()
}

#[test]
fn all_are_asked_and_all_is_well() {
    let mut c = cluster();
    assert_eq!(troubles(&mut c), Vec::<String>::new());
    let findings = examined(&mut c, "doctor");
    for host in ["db1", "db2", "db3"] {
        for check in ["machine", "agent", "calendar", "clock", "mysql from the monitor"] {
            let there = |f: &Finding| f.subject == host && f.check == check;
            assert_eq!(findings.iter().filter(|f| there(f)).count(), 1, "{host} {check}");
        }
    }
    let one = examined(&mut c, "doctor db2");
    assert!(one.iter().all(|finding| finding.subject == "db2"), "{one:?}");
    assert_eq!(c.refusal("doctor db9"), "there is no host db9");
}

#[test]
fn who_does_not_answer_is_a_finding_and_no_hang() {
    let mut c = cluster();
    c.hosts[1].mute = true;
    let id = c.ask("doctor");
    c.run(8_900);
    assert!(c.answer(id).is_none(), "it may still come");
    c.run(200);
    let Some(Answer::Examined { findings }) = c.answer(id) else { panic!("{}", c.tail()) };
    let late = findings.iter().find(|f| f.level == Level::Bad).unwrap();
    assert!(late.subject == "db2" && late.what.contains("did not answer within"), "{late:?}");
    assert!(findings.iter().any(|f| f.subject == "db3" && f.check == "machine"));
    // One that is gone is not waited for at all.
    c.hosts[1].kill_agent();
    c.until("the link to be down", 10_000, |c| !c.view().hosts[1].agent.reachable);
    c.run(6_000);
    let id = c.ask("doctor");
    c.run(100);
    let Some(Answer::Examined { findings }) = c.answer(id) else { panic!("{}", c.tail()) };
    assert!(
        findings.iter().any(|f| f.what.contains("its agent cannot be reached")),
        "{findings:?}"
    );
}

#[test]
fn what_the_masters_do_not_share_is_named() {
    type Spoil = fn(&mut Settings);
    let cases: [(Spoil, &str); 6] = [
        (|s| s.binlog_format = "ROW".to_owned(), "BAD cluster db1 and db2: binlog_format is MIXED"),
        (|s| s.log_slave_updates = false, "BAD cluster db1 and db2: log_slave_updates is true and"),
        (|s| s.log_bin = false, "BAD cluster db1 and db2: log_bin is true and false"),
        (|s| s.gtid_strict_mode = Some(false), "BAD cluster db1 and db2: gtid_strict_mode is"),
        (|s| s.gtid_domain_id = Some(7), "BAD cluster db1 and db2: gtid_domain_id is 0 and 7"),
        (|s| s.auto_increment_offset = 1, "warn cluster db1 and db2: auto_increment_offset is 1"),
    ];
    let mut c = cluster();
    for (spoil, words) in cases {
        spoil(c.hosts[1].server.settings.as_mut().unwrap());
        c.run(3_000);
        let found = troubles(&mut c);
        assert!(found.len() == 1 && found[0].starts_with(words), "{words}: {found:?}");
        c.hosts[1].server.settings = settings(2);
        c.run(3_000);
    }
    // A slave shares its number with nobody, and nothing else is asked of it.
    c.hosts[2].server.settings.as_mut().unwrap().binlog_format = "ROW".to_owned();
    c.hosts[2].server.id = 2;
    c.run(3_000);
    let found = troubles(&mut c);
    assert!(found.len() == 1 && found[0].contains("db2 and db3 have the same server_id 2"));
}

#[test]
fn a_clock_that_runs_away_and_a_calendar_that_is_off_are_told() {
    let mut c = cluster();
    c.hosts[2].calendar = -90_000;
    let found = troubles(&mut c);
    assert!(found.len() == 1 && found[0].contains("90 s behind the monitor's"), "{found:?}");
    c.hosts[2].calendar = 0;
    // One in a hundred: ten times what grants allow for.
    for _ in 0..400 {
        c.run(100);
        c.hosts[1].clock += 1;
    }
    let found = troubles(&mut c);
    let told = found.len() == 1 && found[0].starts_with("BAD db2 its boot clock went");
    assert!(told && found[0].contains("clocksource"), "{found:?}");
}

#[test]
fn a_server_that_the_monitor_cannot_reach_is_told_with_the_way_to_look() {
    let mut c = cluster();
    for _ in 0..5 {
        c.fail_check(2, Check::Mysql);
        c.run(998);
    }
    let found = troubles(&mut c);
    let told = found.iter().any(|f| f.contains("no answer") && f.contains("nc -vz"));
    assert!(told, "{found:?}");
}
