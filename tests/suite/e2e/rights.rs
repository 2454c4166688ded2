//! The agent runs with two capabilities and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::Duration;

use lab::{Options, WRITER_VIP};

use super::{Cluster, LATER, SOON, all_online, wait_view};

/// Ends the process with the test, also when it fails.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NOBODY: u32 = 65534;

#[test]
fn an_agent_without_root_holds_and_moves_the_writer() {
    let cluster = Cluster::up(&Options::with_daemons());
    let standby = cluster.standby();
    let daemons = cluster.lab.daemons().unwrap();
    let agent = daemons.agent(standby).unwrap();
    agent.stop().unwrap();
    // A copy of its files and its program where that user may read them.
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8], mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        path
    };
    let home = cluster.lab.folder().join(standby);
    let program = lab::daemons::binary("mmm-agentd").unwrap();
    let program = put("mmm-agentd", &fs::read(program).unwrap(), 0o755);
    put("mmm_common.toml", &fs::read(home.join("mmm_common.toml")).unwrap(), 0o640);
    let state = folder.path().join("state.json");
    let own = format!(
        "include = \"mmm_common.toml\"\nthis = \"{standby}\"\nstate_path = \"{}\"\n",
        state.display()
    );
    let config = put("mmm_agent.toml", own.as_bytes(), 0o640);
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut command = cluster.lab.host(standby).unwrap().command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
        .args(["--inh-caps=-all,+net_admin,+net_raw", "--ambient-caps=-all,+net_admin,+net_raw"])
        .arg("--bounding-set=-all,+net_admin,+net_raw")
        .arg(program)
        .arg("--config")
        .arg(config)
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let child = Ended(command.spawn().unwrap());
    all_online(&cluster.lab, LATER);
    let status = fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    let writer = cluster.writer();
    for to in [standby, writer.as_str()] {
        let since = std::time::Instant::now();
        let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        cluster.move_writer(to);
        let gap = cluster.switched(since, SOON).gap;
        assert!(gap < Duration::from_secs(1), "{gap:?}\n{}", log());
        all_online(&cluster.lab, SOON);
        if to == standby {
            claim_its_vip(&cluster, standby);
        }
    }
    drop(child);
    agent.start().unwrap();
    wait_view(&cluster.lab, "the agent to be back", LATER, |view| {
        let host = view.host(standby).map(|host| host.agent.clone());
        if host.as_ref().is_some_and(|agent| agent.reachable) {
            Ok(())
        } else {
            Err(format!("{host:?}"))
        }
    });
    cluster.assert_never_two_writers();
}

/// Another machine has the writer's VIP and says so to nobody: it is found out, told, answered, and
/// forgotten when it is gone.
fn claim_its_vip(cluster: &Cluster, writer: &str) {
    let other = cluster.lab.host("mon").unwrap();
    let vip = std::net::IpAddr::V4(WRITER_VIP);
    other.add_address(vip).unwrap();
    let troubled = |told: bool| {
        wait_view(&cluster.lab, "a claim of the VIP to be told, or to be over", LATER, |view| {
            let trouble = view.host(writer).map(|host| host.agent.trouble.clone());
            let trouble = trouble.unwrap_or_default();
            if trouble.contains("is claimed by") == told { Ok(trouble) } else { Err(trouble) }
        })
    };
    let trouble = troubled(true);
    assert!(trouble.contains("the neighbour 10.77.0.10"), "{trouble}");
    other.remove_address(vip).unwrap();
    troubled(false);
    cluster.client.wait_rows(50, SOON).unwrap();
}
