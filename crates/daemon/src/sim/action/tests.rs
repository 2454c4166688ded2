//! Every action survives its text, and nonsense is named.

use super::*;

#[test]
fn every_line_reads_and_prints() {
    for line in [
        "kill server db1",
        "start agent db2",
        "crash host db1",
        "boot host db1",
        "stop monitor",
        "cont server db7",
        "start monitor2",
        "cut monitor-db1",
        "cut monitor->db1",
        "cut db3",
        "heal db1-db2",
        "heal all",
        "delay monitor-db1 200ms",
        "drop 10% monitor-db1",
        "duplicate 25% monitor-db2",
        "network down",
        "lag db3 90s",
        "stop sql db3",
        "start io db3",
        "break sql db3",
        "hold db1 6s",
        "lock db1",
        "unlock db1",
        "disk full monitor",
        "disk ok db1",
        "disk db2 takes 1.5s",
        "write off",
        "write every 50ms",
        "fail Open db2",
        "works Open db2",
        "slow CatchUp db2 1s",
        "vip db2 10.0.0.100",
        "unvip db2 10.0.0.100",
        "read_only db3 off",
        "forget monitor",
        "rebuild db1",
        "step wall clock -1h",
        "drift db1 -900",
        "control move_role --kill writer db2",
        "plan set_offline db1",
        "apply",
        "halt",
        "calm",
        "put back",
    ] {
        assert_eq!(Action::parse(line).unwrap().to_string(), line);
    }
    let same = |one: &str, two: &str| {
        assert_eq!(Action::parse(one).unwrap(), Action::parse(two).unwrap());
    };
    same("cut monitor db1", "cut monitor-db1");
    same("pause monitor", "stop monitor");
    same("crash server db1", "kill server db1");
    same("fail open db2", "fail Open db2");
}

#[test]
fn nonsense_is_named() {
    for (line, why) in [
        ("kill db1", "write server db1"),
        ("kill server db9", "no host"),
        ("cut a-b", "no host"),
        ("drop 101% db1", "at most"),
        ("slow Nothing db1 1s", "is no act"),
        ("hold db1 6", "is no span"),
        ("control fly", "Invalid command"),
        ("", "no such action"),
    ] {
        let error = Action::parse(line).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    }
}
