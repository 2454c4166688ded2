//! The whole product on real servers: what the tests of this folder share.

mod doctor;
mod faults;
mod fence;
mod figures;
mod manners;
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
use lab::wait::until;
use lab::writer::{Switch, Writer};
use lab::{Lab, Options, WRITER_VIP};
use mmm_proto::view::WriterState;
use mmm_proto::{ClusterView, HostState};

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
    try_view(lab).unwrap_or_else(|error| panic!("no picture: {error}"))
}

fn try_view(lab: &Lab) -> Result<ClusterView, String> {
    let daemons = lab.daemons().map_err(|error| error.to_string())?;
    let said = daemons.control(&["--json", "show"]).map_err(|error| error.to_string())?;
    let answer: serde_json::Value = serde_json::from_str(&said.stdout)
        .map_err(|error| format!("{error}: {}{}", said.stdout, said.stderr))?;
    serde_json::from_value(answer["view"].clone()).map_err(|error| format!("{error}: {answer}"))
}

/// Waits until the picture is as wanted; the test says what it sees instead.
pub(super) fn wait_view<T>(
    lab: &Lab,
    what: &str,
    limit: Duration,
    test: impl Fn(&ClusterView) -> Result<T, String>,
) -> T {
    match until(what, limit, || test(&try_view(lab)?)) {
        Ok(value) => value,
        Err(error) => panic!("{error:#}\n{}", story(lab)),
    }
}

/// Waits until every host is ONLINE, the writer serves and everybody follows it.
pub(super) fn all_online(lab: &Lab, limit: Duration) {
    wait_view(lab, "every host ONLINE and following the writer", limit, |view| {
        let seen = states(view);
        let Some(writer) = view.writer.host.clone() else {
            return Err(seen);
        };
        let well = view.writer.state == WriterState::Serving
            && view.running.is_none()
            && view.hosts.iter().all(|host| {
                let follows = host.server.source.as_ref() == Some(&writer) || host.name == writer;
                host.state == HostState::Online && host.agent.reachable && follows
            })
            && view.roles.iter().all(|role| role.vips.iter().all(|vip| vip.host.is_some()));
        if well { Ok(()) } else { Err(seen) }
    });
}

/// The picture in a line, for messages.
pub(super) fn states(view: &ClusterView) -> String {
    let hosts: Vec<String> = view
        .hosts
        .iter()
        .map(|host| {
            let source = host.server.source.as_ref().map_or("-".to_owned(), ToString::to_string);
            let duty = &host.agent.duty;
            format!("{} {} ({}) from {source}, duty {duty}", host.name, host.state, host.why)
        })
        .collect();
    let writer = &view.writer;
    format!("writer {:?} {:?} {}; {}", writer.host, writer.state, writer.why, hosts.join("; "))
}

/// What the daemons wrote last, for messages.
pub(super) fn story(lab: &Lab) -> String {
    let Ok(daemons) = lab.daemons() else {
        return String::new();
    };
    daemons
        .all()
        .map(|daemon| format!("--- {}\n{}\n", daemon.log().display(), daemon.tail()))
        .collect()
}

/// Who holds an address, by looking at the interfaces.
pub(super) fn holders(lab: &Lab, vip: Ipv4Addr) -> Vec<String> {
    lab.holders(vip).unwrap()
}
