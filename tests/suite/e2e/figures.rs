//! The figures that we hold ourselves to, measured by a client that writes 200 rows a second
//! through the writer's VIP: planned moves, kills of the writer's server, isolation of the writer's
//! host.

use std::time::{Duration, Instant};

use lab::config::Settings;
use lab::{Options, WRITER_VIP};

use super::{Cluster, SOON, all_online, story};

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
        lab::repair::all_well(&cluster.lab).unwrap();
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
        lab::repair::all_well(&cluster.lab).unwrap();
        cluster.client.wait_rows(20, SOON).unwrap();
    }
    judge(cluster, "isolation of the writer's host", began, gaps)
}
