//! A first start, and what the cluster looks like in service.

use super::cluster::Cluster;
use mmm_proto::HostState;

#[test]
fn a_first_start_waits_for_an_operator_and_then_gives_writer_and_readers() {
    let mut c = Cluster::new();
    c.run(10_000);
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::AwaitingRecovery, "{}", c.tail());
    }
    assert!(c.acked.is_empty(), "nobody writes before somebody is set online");
    let c = c.put_in_service();
    assert_eq!(c.writer(), Some("db1"));
    assert_eq!(c.open_host(), Some("db1"));
    assert_eq!((c.readers(0), c.readers(1), c.readers(2)), (1, 1, 1));
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::Online);
    }
    assert!(c.hosts[1].server.read_only && c.hosts[2].server.read_only);
}
