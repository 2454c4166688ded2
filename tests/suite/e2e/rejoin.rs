//! Hosts that come back, operators that take them out, daemons that are restarted.

use std::time::{Duration, Instant};

use lab::config::Settings;
use lab::wait::until;
use lab::{Options, WRITER_VIP};
use mmm_proto::HostState;

use super::{Cluster, LATER, SOON, all_online, all_rejoined, holders, states, story, wait_view};

fn must(cluster: &Cluster, args: &[&str]) -> String {
    let said = cluster.lab.daemons().unwrap().control(args).unwrap();
    assert_eq!(said.code, 0, "{args:?}: {said:?}\n{}", story(&cluster.lab));
    said.stdout
}

fn wait_state(cluster: &Cluster, host: &str, state: HostState, limit: Duration) {
    wait_view(&cluster.lab, &format!("{host} to be {state}"), limit, |view| {
        let seen = view.host(host).map(|host| host.state);
        if seen == Some(state) { Ok(()) } else { Err(states(view)) }
    });
}

#[test]
fn a_killed_server_comes_back_and_follows_the_new_writer() {
    let cluster = Cluster::up(&Options::with_daemons());
    let victim = cluster.writer();
    let server = cluster.lab.server(&victim).unwrap();
    let since = Instant::now();
    server.kill9().unwrap();
    cluster.switched(since, SOON);
    wait_state(&cluster, &victim, HostState::HardOffline, SOON);
    let heir = cluster.standby_of(&victim).to_owned();
    assert_eq!(holders(&cluster.lab, WRITER_VIP), std::slice::from_ref(&heir));
    wait_view(&cluster.lab, "the slave to follow the new writer by GTID", SOON, |view| {
        let source = view.host("db3").and_then(|host| host.server.source.clone());
        if source.as_ref().is_some_and(|s| *s == *heir) {
            Ok(())
        } else {
            Err(format!("{source:?}"))
        }
    });
    assert!(
        !cluster.lab.server("db3").unwrap().replica_status().unwrap()["Using_Gtid"].contains("No")
    );
    server.start().unwrap();
    assert!(server.is_read_only().unwrap(), "a server starts read-only");
    all_rejoined(&cluster.lab);
    assert_eq!(cluster.writer(), heir, "the writer stays where it is");
    assert!(server.is_read_only().unwrap());
    cluster.assert_never_two_writers();
}

#[test]
fn without_auto_set_online_an_operator_brings_the_host_back() {
    let settings = Settings {
        auto_set_online: "0s".to_owned(),
        // The short-outage rule would bring it back by itself; an outage is never shorter than
        // nothing.
        ..Settings::default()
    };
    let options = Options { settings, ..Options::with_daemons() };
    let lab = crate::support::lab(&options);
    for host in ["db1", "db2", "db3"] {
        wait_view(&lab, "the host to wait", SOON, |view| {
            let seen = view.host(host).map(|host| (host.state, host.ends.clone()));
            match seen {
                Some((HostState::AwaitingRecovery, ends)) if ends == "set_online" => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        });
        let said = lab.daemons().unwrap().must(&["set_online", host]).unwrap();
        let wants = format!(
            "OK: State of '{host}' changed to ONLINE. Now you can wait some time and check its new roles!"
        );
        assert!(said.starts_with(&wants), "{said}");
    }
    all_online(&lab, SOON);
    let show = lab.daemons().unwrap().must(&["show"]).unwrap();
    for line in show.lines().filter(|line| line.starts_with("  ")) {
        let (host, rest) = line.trim_start().split_once('(').unwrap();
        let ip = rest.split_once(')').unwrap().0;
        assert!(["db1", "db2", "db3"].contains(&host) && ip.starts_with("10.77.0."), "{line}");
        assert!(rest.contains("/ONLINE. Roles: "), "{line}");
    }
    assert_eq!(show.matches("writer(10.77.0.100)").count(), 1, "{show}");
}

/// A writer's position as a replica stays where it became writer. Once its peer has purged its
/// binary logs so far, every reconnection is refused (error 1236) until somebody makes the position
/// whole.
#[test]
fn a_writer_whose_peer_has_purged_its_binary_logs_follows_it_again() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (writer, peer) = (cluster.writer(), cluster.standby());
    let (writer, peer) = (cluster.lab.server(&writer).unwrap(), cluster.lab.server(peer).unwrap());
    peer.sql("FLUSH BINARY LOGS").unwrap();
    let latest = peer.value("SHOW MASTER STATUS").unwrap();
    peer.sql(&format!("PURGE BINARY LOGS TO '{latest}'")).unwrap();
    writer.sql("STOP SLAVE IO_THREAD").unwrap();
    let before = writer.value("SELECT @@gtid_slave_pos").unwrap();
    writer.sql("START SLAVE IO_THREAD").unwrap();
    until("the writer to follow its peer again, by a whole position", SOON, || {
        let status = writer.replica_status().map_err(|error| format!("{error:#}"))?;
        let now = writer.value("SELECT @@gtid_slave_pos").map_err(|error| format!("{error:#}"))?;
        if status["Slave_IO_Running"] == "Yes" && now != before {
            Ok(())
        } else {
            Err(format!(
                "{} {}, {before} and {now}",
                status["Slave_IO_Running"], status["Last_IO_Error"]
            ))
        }
    })
    .unwrap();
    assert_eq!(cluster.writer(), writer.name());
    all_online(&cluster.lab, SOON);
    cluster.assert_never_two_writers();
}

#[test]
fn set_offline_of_the_writer_moves_the_writer_first_and_loses_nothing() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (old, new) = (cluster.writer(), cluster.standby());
    let since = Instant::now();
    let said = must(&cluster, &["set_offline", &old]);
    assert!(said.contains(&format!("State of '{old}' changed to ADMIN_OFFLINE")), "{said}");
    let switch = cluster.switched(since, SOON);
    println!("set_offline of the writer: gap {:?}", switch.gap);
    wait_state(&cluster, &old, HostState::AdminOffline, SOON);
    wait_view(&cluster.lab, "its replication to stop and its VIPs to go", SOON, |view| {
        let host = view.host(&old).unwrap();
        let lag = host.lag;
        let vips = &host.server.vips;
        if lag == mmm_proto::Lag::Stopped && vips.is_empty() {
            Ok(())
        } else {
            Err(format!("{lag:?} {vips:?}"))
        }
    });
    let refused = cluster.lab.daemons().unwrap().control(&["set_offline", new]).unwrap();
    assert_eq!(refused.code, 1, "the last master cannot be taken out: {refused:?}");
    must(&cluster, &["set_online", &old]);
    all_online(&cluster.lab, LATER);
    let audits = cluster.lab.verify(&cluster.client.record(), new, SOON).unwrap();
    assert!(audits.iter().all(lab::verify::Audit::is_clean), "{audits:?}");
    cluster.assert_never_two_writers();
}

#[test]
fn a_restarted_monitor_is_not_noticed_by_clients() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (writer, monitor) = (cluster.writer(), &cluster.lab.daemons().unwrap().monitor);
    let before = super::view(&cluster.lab);
    let since = Instant::now();
    monitor.kill9().unwrap();
    monitor.start().unwrap();
    cluster.lab.daemons().unwrap().wait_answering(SOON).unwrap();
    all_online(&cluster.lab, SOON);
    cluster.client.wait_rows(400, SOON).unwrap();
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    let after = super::view(&cluster.lab);
    assert_eq!((after.term, cluster.writer()), (before.term + 1, writer));
    assert!(gap < Duration::from_millis(250), "the clients noticed: {gap:?}");
    println!("restart of the monitor: longest gap {gap:?}");
    cluster.assert_never_two_writers();
}

#[test]
fn without_a_monitor_the_writer_goes_on_while_its_peer_agrees_and_fences_itself_without_it() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (writer, daemons) = (cluster.writer(), cluster.lab.daemons().unwrap());
    let (server, monitor) = (cluster.lab.server(&writer).unwrap(), &daemons.monitor);
    monitor.kill9().unwrap();
    // Four grants long: rows go on to be written, by the promise of the other master.
    lab::wait::pass(Duration::from_secs(12));
    cluster.client.wait_rows(50, SOON).unwrap();
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [writer.as_str()]);
    let peer = daemons.agent(if writer == "db1" { "db2" } else { "db1" }).unwrap();
    peer.kill9().unwrap();
    lab::wait::until("the writer to fence itself", SOON, || {
        let (on, read_only) = (holders(&cluster.lab, WRITER_VIP), server.is_read_only().unwrap());
        if on.is_empty() && read_only {
            Ok(())
        } else {
            Err(format!("{on:?}, read_only {read_only}"))
        }
    })
    .unwrap();
    monitor.start().unwrap();
    peer.start().unwrap();
    all_rejoined(&cluster.lab);
    cluster.client.wait_rows(50, SOON).unwrap();
    assert_eq!(cluster.writer(), writer, "nobody else was promoted");
    let audits = cluster.lab.verify(&cluster.client.record(), &writer, SOON).unwrap();
    assert!(audits.iter().all(lab::verify::Audit::is_clean), "{audits:?}");
    cluster.assert_never_two_writers();
}
