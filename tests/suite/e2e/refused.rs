//! Planned moves that must not go through: refused before, or undone within their deadlines, and the clients
//! notice nothing or next to nothing.

use std::time::{Duration, Instant};

use lab::Options;
use lab::config::Settings;
use lab::wait::until;

use super::{Cluster, SOON, all_online, view, wait_view};

/// The longest pause that a refused or undone move may cost a client: the freeze's grace and its undoing.
const BLIP: Duration = Duration::from_millis(1500);

fn quick() -> Options {
    let sections =
        "[move]\nfreeze_grace = \"300ms\"\nmax_transaction = \"2s\"\ncatch_up_timeout = \"2s\"\n";
    let settings = Settings { sections: sections.to_owned(), ..Settings::default() };
    Options { settings, ..Options::with_daemons() }
}

/// Asks for the move and says how it ended; the writer must be the same afterwards and serve.
fn must_not_move(cluster: &Cluster, args: &[&str]) -> (i32, String) {
    let writer = cluster.writer();
    let began = Instant::now();
    let said = cluster.lab.daemons().unwrap().control(args).unwrap();
    let code = said.code;
    assert!(matches!(code, 1 | 5), "{said:?}");
    all_online(&cluster.lab, SOON);
    assert_eq!(cluster.writer(), writer);
    cluster.client.wait_rows(20, SOON).unwrap();
    let record = cluster.client.record();
    let gap = record.longest_gap(began, Instant::now());
    assert!(gap < BLIP, "the clients stood still for {gap:?} for nothing; {said:?}");
    assert!(record.switch(began).is_none(), "somebody else acknowledged rows");
    println!(
        "exit {code} after {:?}, longest gap {gap:?}: {}",
        began.elapsed(),
        said.stderr.trim()
    );
    (code, said.stderr)
}

#[test]
fn with_the_applier_stopped_a_move_is_refused_and_clients_notice_nothing() {
    let cluster = Cluster::up(&quick());
    let standby = cluster.standby();
    cluster.lab.server(standby).unwrap().stop_applier().unwrap();
    // At once, when the monitor cannot have heard of it: refused or undone, but not done.
    must_not_move(&cluster, &["move_role", "writer", standby]);
    wait_view(&cluster.lab, "the stopped applier to be seen", SOON, |view| {
        let lag = view.host(standby).map(|host| host.lag);
        if lag == Some(mmm_proto::Lag::Stopped) { Ok(()) } else { Err(format!("{lag:?}")) }
    });
    let (code, why) = must_not_move(&cluster, &["move_role", "writer", standby]);
    assert_eq!(code, 1);
    assert!(why.contains("applier is stopped") || why.contains("replication on"), "{why}");
    cluster.lab.server(standby).unwrap().start_applier().unwrap();
    let limit = Duration::from_secs(30);
    until("the move to be possible again", limit, || {
        let said = cluster.lab.daemons().unwrap().control(&["move_role", "writer", standby]);
        let said = said.map_err(|error| error.to_string())?;
        if said.code == 0 { Ok(()) } else { Err(said.stderr) }
    })
    .unwrap();
    cluster.assert_never_two_writers();
}

#[test]
fn under_a_long_update_a_move_is_undone_and_kill_goes_through() {
    let cluster = Cluster::up(&quick());
    let (writer, standby) = (cluster.writer(), cluster.standby());
    let server = cluster.lab.server(&writer).unwrap();
    server.sql("CREATE TABLE app.slow (id INT PRIMARY KEY, n INT)").unwrap();
    server.sql("INSERT INTO app.slow VALUES (1, 0)").unwrap();
    let mut slow = server.session().unwrap();
    let update = std::thread::spawn(move || {
        slow.query("UPDATE app.slow SET n = SLEEP(30) WHERE id = 1", Duration::from_secs(40))
    });
    until("the update to run", SOON, || {
        let n = server
            .value("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE app.slow%'")
            .unwrap();
        if n == "1" { Ok(()) } else { Err(format!("{n} such statements")) }
    })
    .unwrap();
    // Young enough to be tried: the freeze cannot get through and is undone.
    let (_, why) = must_not_move(&cluster, &["move_role", "writer", standby]);
    assert!(why.contains("UPDATE"), "the blocker is named: {why}");
    // Older than max_transaction: refused before anything is touched.
    wait_view(&cluster.lab, "the update to be too old", SOON, |view| {
        let host = view.host(standby).unwrap();
        let off: Vec<&str> = host.actions.iter().map(|action| action.off.as_str()).collect();
        if off.iter().any(|why| why.contains("--kill")) { Ok(()) } else { Err(format!("{off:?}")) }
    });
    let (code, why) = must_not_move(&cluster, &["move_role", "writer", standby]);
    assert_eq!(code, 1, "{why}");
    let since = Instant::now();
    let said = cluster
        .lab
        .daemons()
        .unwrap()
        .control(&["move_role", "--kill", "writer", standby])
        .unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    let switch = cluster.switched(since, SOON);
    println!("with --kill: gap {:?}", switch.gap);
    assert!(update.join().unwrap().is_err(), "the update was ended");
    all_online(&cluster.lab, SOON);
    cluster.assert_never_two_writers();
    let audits = cluster.lab.verify(&cluster.client.record(), standby, SOON).unwrap();
    assert!(audits.iter().all(lab::verify::Audit::is_clean), "{audits:?}");
}

#[test]
fn a_lock_that_is_held_does_not_hold_up_the_cluster() {
    let cluster = Cluster::up(&quick());
    let (writer, standby) = (cluster.writer(), cluster.standby());
    let server = cluster.lab.server(&writer).unwrap();
    server.sql("CREATE TABLE app.held (id INT PRIMARY KEY)").unwrap();
    let mut holder = server.session().unwrap();
    holder.query("LOCK TABLES app.held WRITE", SOON).unwrap();
    must_not_move(&cluster, &["move_role", "writer", standby]);
    let since = Instant::now();
    let said = cluster
        .lab
        .daemons()
        .unwrap()
        .control(&["move_role", "--kill", "writer", standby])
        .unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    cluster.switched(since, SOON);
    all_online(&cluster.lab, SOON);
    cluster.assert_never_two_writers();
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (writer, standby) = (cluster.writer(), cluster.standby());
    let daemons = cluster.lab.daemons().unwrap();
    let before = view(&cluster.lab);
    for (args, code, why) in [
        (vec!["move_role", "writer", "db3"], 1, "Following hosts are possible: db1, db2"),
        (vec!["move_role", "writer", "db9"], 1, "Unknown host name 'db9'!"),
        (vec!["move_role", "reeder", standby], 1, "Unknown role name 'reeder'!"),
        (
            vec!["move_role", "--force", "writer", standby],
            1,
            "Can't force role to host with state 'ONLINE'",
        ),
        (vec!["set_ip", "10.77.0.100", standby], 1, "only allowed in passive mode"),
        (vec!["set_online", "db9"], 1, "Unknown host name 'db9'!"),
        (vec!["set_offline", "db9"], 1, "Unknown host name 'db9'!"),
        (vec!["checks", "db9"], 1, "db9"),
        (vec!["checks", "db1", "pong"], 2, "unknown check"),
        (vec!["explode"], 2, "Invalid command 'explode'"),
        (vec!["move_role", "writer"], 2, "move_role takes"),
        (vec!["move_role", "--fast", "writer", standby], 2, "unknown option --fast"),
        (vec!["set_ip", "10.77.0", standby], 2, "is not an IP address"),
        (vec!["set_online", "db/1"], 2, "is not a host name"),
        (vec![], 2, ""),
    ] {
        let said = daemons.control(&args).unwrap();
        let all = format!("{}{}", said.stdout, said.stderr);
        println!("{args:?} -> exit {:?}: {}", said.code, all.lines().next().unwrap_or_default());
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        assert!(all.contains(why), "{args:?}: {said:?}");
    }
    let said = daemons.control(&["move_role", "writer", &writer]).unwrap();
    assert_eq!(said.code, 0);
    assert!(said.stdout.contains("OK: Role is already on"), "{said:?}");
    let after = view(&cluster.lab);
    assert_eq!(before.writer.host, after.writer.host);
    assert_eq!(before.term, after.term);
    cluster.client.wait_rows(20, SOON).unwrap();
    cluster.assert_never_two_writers();
}
