//! The whole product on real servers: what the tests of this folder share.

mod deadman;
mod doctor;
mod faults;
mod fence;
mod figures;
mod looking;
mod manners;
mod matrix;
mod partitions;
mod people;
mod refused;
mod rejoin;
mod rights;
mod settle;
mod supervisor;
mod systemd;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lab::observer::Observer;
pub(super) use lab::picture::{story, words as states};
use lab::wait::until;
use lab::writer::{Switch, Writer};
use lab::{Lab, Options, WRITER_VIP, picture};
use mmm_proto::ClusterView;

use crate::support::{OneLab, lab as one_lab};

/// For things that take seconds.
const SOON: Duration = Duration::from_secs(15);

/// For things that take a host away and back.
const LATER: Duration = Duration::from_secs(40);

/// A cluster with all hosts ONLINE, a writer that serves, and a client that writes.
pub(super) struct Cluster {
    pub observer: Observer,
    pub client: Writer,
    pub began: Instant,
    // Last, so that client and observer end before what they look at.
    pub lab: OneLab,
}

impl Cluster {
    pub(super) fn up(options: &Options) -> Cluster {
        let lab = one_lab(options);
        all_online(&lab, SOON);
        let client = lab.start_writer().unwrap();
        client.wait_rows(50, SOON).unwrap();
        let observer = lab.observe().unwrap();
        Cluster { observer, client, began: Instant::now(), lab }
    }

    /// The host that the monitor calls the writer.
    pub(super) fn writer(&self) -> String {
        let view = view(&self.lab);
        view.writer.host.map(|host| host.to_string()).unwrap_or_default()
    }

    /// The master that is not the writer.
    pub(super) fn standby(&self) -> &'static str {
        self.standby_of(&self.writer())
    }

    /// The other master.
    pub(super) fn standby_of(&self, writer: &str) -> &'static str {
        if writer == "db1" { "db2" } else { "db1" }
    }

    /// Moves the writer. An agent that has just started has not looked at its server yet, and the
    /// picture may be older than its start: the monitor says so, and is asked again.
    pub(super) fn move_writer(&self, to: &str) {
        let moved = until("the writer to be moved", SOON, || {
            let said = self.lab.daemons().unwrap().control(&["move_role", "writer", to]).unwrap();
            if said.stderr.contains("was not looked at yet") { Err(said.stderr) } else { Ok(said) }
        });
        let said = moved.unwrap();
        assert_eq!(said.code, 0, "{said:?}\n{}", story(&self.lab));
    }

    /// Nobody ever accepted writes beside the writer, by the observer and by the client.
    pub(super) fn assert_never_two_writers(&self) {
        let overlap = self.observer.two_accepting(WRITER_VIP, self.began);
        assert!(
            overlap.is_none(),
            "two hosts accepted writes through the VIP for {:?}: {}",
            overlap.total,
            self.observer.describe(self.began)
        );
    }

    /// The client got from one server to the other without a late acknowledgement.
    pub(super) fn switched(&self, since: Instant, limit: Duration) -> Switch {
        let switch = match self.client.wait_switch(since, limit) {
            Ok(switch) => switch,
            Err(error) => panic!("{error:#}\n{}", story(&self.lab)),
        };
        assert_eq!(switch.late, 0, "the old writer acknowledged after the new one: {switch:?}");
        switch
    }
}

/// The picture, as `mmm-control --json show` prints it.
pub(super) fn view(lab: &Lab) -> ClusterView {
    picture::view(lab).unwrap_or_else(|error| panic!("no picture: {error}"))
}

/// Waits until the picture is as wanted; the test says what it sees instead.
pub(super) fn wait_view<T>(
    lab: &Lab,
    what: &str,
    limit: Duration,
    test: impl Fn(&ClusterView) -> Result<T, String>,
) -> T {
    picture::wait(lab, what, limit, test).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Waits until every host is ONLINE, the writer serves and everybody follows it.
pub(super) fn all_online(lab: &Lab, limit: Duration) {
    picture::wait_well(lab, limit).unwrap_or_else(|error| panic!("{error:#}"));
}

/// Waits until every host is well again after a writer was killed or cut off under load: it may
/// have what nobody else has, which is no fault of anybody; then it is rebuilt.
pub(super) fn all_rejoined(lab: &Lab) {
    let rebuilt = lab::repair::all_well(lab).unwrap_or_else(|error| panic!("{error:#}"));
    for (host, rows) in rebuilt {
        println!("{host} had parted by {rows} rows, rebuilt");
    }
}

/// Who holds an address, by looking at the interfaces.
pub(super) fn holders(lab: &Lab, vip: Ipv4Addr) -> Vec<String> {
    lab.holders(vip).unwrap()
}

/// Copies a program that is to be run. A process of its own does it: had this one it open for
/// writing, a child that another thread starts just then would keep it so, and nobody could run it.
pub(super) fn copy_program(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "cp {} {}: {copied}", from.display(), to.display());
}
