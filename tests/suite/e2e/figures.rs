//! The figures that we hold ourselves to, measured by a client that writes 200 rows a second
//! through the writer's VIP: planned moves, kills of the writer's server, isolation of the writer's
//! host.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::config::Settings;
use lab::{Options, WRITER_VIP};
use mmm_proto::HostState;

use super::{Cluster, LATER, SOON, all_online, states, story, wait_view};

const MOVES: usize = 20;
const KILLS: usize = 10;
const ISOLATIONS: usize = 3;

/// The product's default `lease_ttl`.
const TTL: Duration = Duration::from_secs(3);

/// One row of the table.
struct Row {
    what: &'static str,
    gaps: Vec<Duration>,
    lost: usize,
    duplicated: usize,
    two_accepting: Duration,
    two_holders: Duration,
}

impl Row {
    fn median(&self) -> Duration {
        let mut gaps = self.gaps.clone();
        gaps.sort();
        gaps[gaps.len() / 2]
    }

    fn line(&self) -> String {
        let (min, max) = (self.gaps.iter().min(), self.gaps.iter().max());
        let ms = |gap: Option<&Duration>| gap.map_or(0, Duration::as_millis);
        format!(
            "| {} | {} | {} / {} / {} | {} | {} | {} | {} |",
            self.what,
            self.gaps.len(),
            ms(min),
            self.median().as_millis(),
            ms(max),
            self.lost,
            self.duplicated,
            self.two_holders.as_millis(),
            self.two_accepting.as_millis(),
        )
    }
}

#[test]
fn moves_kills_and_isolation_keep_their_figures() {
    // Ten kills within an hour would be flapping.
    let settings = Settings { monitor: "flap_count = 0".to_owned(), ..Settings::default() };
    let cluster = Cluster::up(&Options { settings, ..Options::with_daemons() });
    let rows = [moves(&cluster), kills(&cluster), isolations(&cluster)];
    println!(
        "| scenario | n | gap ms min / median / max | lost | duplicated | two holders ms | two accepting ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in &rows {
        println!("{}", row.line());
    }
    let [moves, kills, isolations] = &rows;
    assert_eq!((moves.lost, moves.duplicated), (0, 0), "planned moves lose and repeat nothing");
    assert!(moves.median() < Duration::from_millis(100), "{}", moves.line());
    assert!(kills.median() < Duration::from_millis(500), "{}", kills.line());
    assert_eq!((kills.duplicated, isolations.duplicated), (0, 0));
    for gap in &isolations.gaps {
        assert!(*gap <= TTL + Duration::from_secs(1), "{}", isolations.line());
    }
    cluster.assert_never_two_writers();
}

/// Fills the row with what the observer saw, and what the client was promised and the servers have.
fn judge(cluster: &Cluster, what: &'static str, since: Instant, gaps: Vec<Duration>) -> Row {
    let writer = cluster.writer();
    let record = cluster.client.record();
    let audits = cluster.lab.verify(&record, &writer, SOON).unwrap();
    let on_writer = audits.iter().find(|audit| audit.server == writer).unwrap();
    for audit in &audits {
        assert!(audit.unwanted.is_empty(), "refused rows are there: {audit:?}");
        assert_eq!(audit.lost.len(), on_writer.lost.len(), "a replica differs: {audit:?}");
    }
    Row {
        what,
        gaps,
        lost: on_writer.lost.len(),
        duplicated: audits.iter().map(|audit| audit.duplicated.len()).max().unwrap_or(0),
        two_accepting: cluster.observer.two_accepting(WRITER_VIP, since).total,
        two_holders: cluster.observer.two_holders(WRITER_VIP, since).total,
    }
}

fn moves(cluster: &Cluster) -> Row {
    let began = Instant::now();
    let mut gaps = Vec::new();
    for _ in 0..MOVES {
        let to = cluster.standby();
        let since = Instant::now();
        let said = cluster.lab.daemons().unwrap().control(&["move_role", "writer", to]).unwrap();
        assert_eq!(said.code, 0, "{said:?}\n{}", story(&cluster.lab));
        gaps.push(cluster.switched(since, SOON).gap);
        all_online(&cluster.lab, SOON);
        // Longer than a host refuses late comers after it gave the address away, as between real
        // moves.
        cluster.client.wait_rows(500, SOON).unwrap();
    }
    judge(cluster, "planned move", began, gaps)
}

fn kills(cluster: &Cluster) -> Row {
    let began = Instant::now();
    let mut gaps = Vec::new();
    for _ in 0..KILLS {
        let victim = cluster.writer();
        let server = cluster.lab.server(&victim).unwrap();
        let since = Instant::now();
        server.kill9().unwrap();
        gaps.push(cluster.switched(since, SOON).gap);
        server.start().unwrap();
        back_in_the_cluster(cluster, &victim);
        cluster.client.wait_rows(20, SOON).unwrap();
    }
    judge(cluster, "kill -9 of the writer's server", began, gaps)
}

fn isolations(cluster: &Cluster) -> Row {
    let began = Instant::now();
    let mut gaps = Vec::new();
    for _ in 0..ISOLATIONS {
        let victim = cluster.writer();
        let since = Instant::now();
        let fault = cluster.lab.isolate(&victim).unwrap();
        gaps.push(cluster.switched(since, SOON).gap);
        cluster.lab.heal(&fault).unwrap();
        back_in_the_cluster(cluster, &victim);
        cluster.client.wait_rows(20, SOON).unwrap();
    }
    judge(cluster, "isolation of the writer's host", began, gaps)
}

/// The former writer comes back by itself, or it has parted: then it stays out, is reported, and is
/// rebuilt.
fn back_in_the_cluster(cluster: &Cluster, host: &str) {
    rejoined_or_rebuilt(cluster, host);
    all_online(&cluster.lab, LATER);
}

/// A host is ONLINE, or it has parted and is rebuilt.
pub(super) fn rejoined_or_rebuilt(cluster: &Cluster, host: &str) {
    let parted = wait_view(
        &cluster.lab,
        "the former writer to rejoin or to be called parted",
        LATER,
        |view| {
            let seen = states(view);
            let state = view.host(host).map(|host| (host.state, host.why.clone()));
            match state {
                Some((HostState::Online, _)) => Ok(false),
                Some((HostState::ReplicationFail | HostState::AwaitingRecovery, why)) => {
                    if parted(cluster, host) { Ok(true) } else { Err(format!("{why}; {seen}")) }
                }
                _ => Err(seen),
            }
        },
    );
    if parted {
        rebuild(cluster, host);
    }
}

/// Whether the server has transactions of its own that the writer does not know: MariaDB says 1236
/// or 1950.
fn parted(cluster: &Cluster, host: &str) -> bool {
    let status = cluster.lab.server(host).unwrap().replica_status().unwrap_or_default();
    ["Last_IO_Errno", "Last_SQL_Errno"]
        .iter()
        .any(|key| matches!(status.get(*key).map(String::as_str), Some("1236" | "1950")))
}

/// What an operator does with a parted host, in short: the rows that only it has go, its history
/// ends where the new writer's began, and it follows again.
fn rebuild(cluster: &Cluster, host: &str) {
    let (server, writer) =
        (cluster.lab.server(host).unwrap(), cluster.lab.server(&cluster.writer()).unwrap());
    let ids = |server: &lab::server::Server| -> BTreeSet<String> {
        let rows = server.sql("SELECT id FROM app.t").unwrap().rows;
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    };
    server.sql("STOP SLAVE").unwrap();
    let extra: Vec<String> = ids(server).difference(&ids(writer)).cloned().collect();
    let position = server.value("SELECT @@gtid_binlog_pos").unwrap();
    let (prefix, seq) = position.rsplit_once('-').unwrap();
    let common = seq.parse::<usize>().unwrap() - extra.len();
    println!("{host} had parted at {position} with {} rows of its own; rebuilt", extra.len());
    let mut session = server.session().unwrap();
    let mut run = |sql: &str| {
        session.query(sql, SOON).unwrap_or_else(|error| panic!("{host}: {sql}: {error}"));
    };
    run("SET SESSION sql_log_bin=0");
    run(&format!("DELETE FROM app.t WHERE id IN ({})", extra.join(",")));
    run("RESET MASTER");
    run(&format!("SET GLOBAL gtid_slave_pos='{prefix}-{common}'"));
    run("START SLAVE");
}
