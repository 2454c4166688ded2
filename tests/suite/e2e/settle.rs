//! What partitions and faults share: a client of its own for each scene, a cluster that must settle
//! after it, and the figures of what the client saw meanwhile.

use std::time::{Duration, Instant};

use lab::Options;
use lab::WRITER_VIP;
use lab::config::Settings;

use super::{Cluster, SOON};

/// The product's default `lease_ttl`.
pub(super) const TTL: Duration = Duration::from_secs(3);

/// Many faults on one lab would be flapping.
pub(super) fn sturdy() -> Options {
    Options {
        settings: Settings { monitor: "flap_count = 0".to_owned(), ..Settings::default() },
        ..Options::with_daemons()
    }
}

/// One thing that goes wrong, and what came of it.
pub(super) struct Scene {
    what: String,
    pub writer: String,
    pub standby: &'static str,
    pub since: Instant,
}

/// What the client saw, once the cluster was well again.
pub(super) struct Seen {
    /// Who wrote, in order: `server_id`s.
    pub path: Vec<u32>,
    /// The longest time without an acknowledged row.
    pub gap: Duration,
    /// Acknowledged, and on no server any more.
    pub lost: usize,
}

impl Scene {
    /// Begins with a client that has written for a while.
    pub(super) fn new(cluster: &mut Cluster, what: impl Into<String>) -> Scene {
        cluster.client = cluster.lab.start_writer().unwrap();
        cluster.client.wait_rows(50, SOON).unwrap();
        let writer = cluster.writer();
        Scene {
            what: what.into(),
            standby: cluster.standby_of(&writer),
            writer,
            since: Instant::now(),
        }
    }

    /// The `server_id`s of the writer at the start, and of the other master.
    pub(super) fn ids(&self, cluster: &Cluster) -> (u32, u32) {
        let id = |host: &str| cluster.lab.server(host).unwrap().id();
        (id(&self.writer), id(self.standby))
    }

    /// Waits until every host is well (or parted: then it is rebuilt), a client writes, and every
    /// server has the same; nobody may have accepted writes beside the writer, and no row may be
    /// there twice.
    pub(super) fn settle(&self, cluster: &Cluster) -> Seen {
        lab::repair::all_well(&cluster.lab).unwrap();
        cluster.client.wait_rows(20, SOON).unwrap();
        let record = cluster.client.record();
        let end = Instant::now();
        let mut path: Vec<u32> = record.acks.iter().map(|ack| ack.server).collect();
        path.dedup();
        let writer = cluster.writer();
        let audits = cluster.lab.verify(&record, &writer, SOON).unwrap();
        let lost = audits[0].lost.len();
        let seen = Seen { gap: record.longest_gap(self.since, end), path, lost };
        let (two, took) =
            (cluster.observer.two_accepting(WRITER_VIP, self.since), self.since.elapsed());
        println!(
            "{}: gap {} ms, writers {:?}, lost {lost}, two accepting {} ms, all well after {:.1} s",
            self.what,
            seen.gap.as_millis(),
            seen.path,
            two.total.as_millis(),
            took.as_secs_f64()
        );
        assert!(
            two.is_none(),
            "{}: two hosts accepted writes: {}",
            self.what,
            cluster.observer.describe(self.since)
        );
        for audit in &audits {
            assert!(
                audit.duplicated.is_empty() && audit.unwanted.is_empty(),
                "{}: {audit:?}",
                self.what
            );
            assert_eq!(audit.lost.len(), lost, "{}: {audit:?}", self.what);
        }
        seen
    }
}
