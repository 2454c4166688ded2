//! `mmm-agentd fence` on real hosts: with and without an agent, twice at once, held up, not
//! allowed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;
use std::time::{Duration, Instant};

use lab::config::Settings;
use lab::daemons::{Part, Said, binary};
use lab::process::output;
use lab::wait::until;
use lab::{Options, WRITER_VIP};
use nix::fcntl::{Flock, FlockArg};

use super::{Cluster, SOON, all_online, all_rejoined, copy_program, holders, story};

const NOBODY: u32 = 65534;

/// The command on a host of the cluster.
fn command(cluster: &Cluster, host: &str, words: &[&str]) -> Command {
    let daemons = cluster.lab.daemons().unwrap();
    let at = cluster.lab.servers().iter().position(|server| server.name() == host).unwrap();
    let mut command = cluster.lab.host(host).unwrap().command(binary("mmm-agentd").unwrap());
    command.arg("fence").args(words).arg("--config").arg(&daemons.paths.agents[at]);
    command
}

fn run(command: Command) -> Said {
    let done = output(command, "", Duration::from_secs(20)).unwrap();
    Said {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

fn fence(cluster: &Cluster, host: &str, words: &[&str]) -> Said {
    run(command(cluster, host, words))
}

fn assert_fenced(cluster: &Cluster, host: &str) {
    assert!(!holders(&cluster.lab, WRITER_VIP).contains(&host.to_owned()));
    assert!(cluster.lab.server(host).unwrap().is_read_only().unwrap());
}

/// What the disk says about the writer role.
fn duty(cluster: &Cluster, host: &str) -> String {
    let path = cluster.lab.folder().join(host).join("mmm_agentd.json");
    let state: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    state["content"]["duty"].as_str().unwrap().to_owned()
}

#[test]
fn a_host_without_an_agent_is_fenced_once_however_often_it_is_asked_for() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = cluster.lab.daemons().unwrap().agent(&writer).unwrap();
    let standby = cluster.standby();
    let said = fence(&cluster, standby, &["--if-needed"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("nothing to do: an agent"), "{said:?}");

    let since = Instant::now();
    agent.kill9_part(Part::Both).unwrap();
    // Nobody is about to start it: the grant that still runs helps nobody.
    let both = [&["--if-needed"][..], &[]].map(|words| command(&cluster, &writer, words));
    let both = both.map(|command| std::thread::spawn(move || run(command)));
    let both = both.map(|thread| thread.join().unwrap());
    let took = since.elapsed();
    assert_fenced(&cluster, &writer);
    println!("two fences at once: {took:?}\n{}\n{}", both[0].stdout, both[1].stdout);
    assert!(both.iter().all(|said| said.code == 0), "{both:?}");
    assert!(took < Duration::from_secs(2), "{took:?}: {both:?}");
    let verified = |said: &Said| said.stdout.contains("read_only set and verified");
    assert!(both.iter().any(verified), "{both:?}");
    assert_eq!(duty(&cluster, &writer), "none");
    let said = fence(&cluster, &writer, &["--if-needed"]);
    assert!(said.stdout.contains("nothing to do: this host does not hold"), "{said:?}");

    let switch = cluster.switched(since, SOON);
    println!("until another host serves: {:?}", switch.gap);
    agent.start().unwrap();
    all_rejoined(&cluster.lab);
    cluster.assert_never_two_writers();
}

#[test]
fn an_agent_that_lives_is_not_fenced_behind_its_back() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = cluster.lab.daemons().unwrap().agent(&writer).unwrap();
    let (since, worker) = (Instant::now(), agent.worker_pid().unwrap());
    let said = fence(&cluster, &writer, &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("systemctl stop mmm-agentd"), "{said:?}");
    assert!(said.stdout.contains(&format!("an agent (process {worker}) runs here")), "{said:?}");
    cluster.client.wait_rows(50, SOON).unwrap();
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    assert!(gap < Duration::from_millis(250), "{gap:?}");
    assert_eq!(agent.worker_pid().unwrap(), worker);

    // By force, also when it stands still; the supervisor starts another one afterwards.
    agent.freeze_part(Part::Worker).unwrap();
    let said = fence(&cluster, &writer, &["--force"]);
    assert_eq!(said.code, 0, "{said:?}\n{}", story(&cluster.lab));
    println!("{}", said.stdout);
    assert!(said.stdout.contains("killed") && said.stdout.contains("fenced in"), "{said:?}");
    all_rejoined(&cluster.lab);
    cluster.client.wait_rows(50, SOON).unwrap();
    cluster.assert_never_two_writers();
}

#[test]
fn what_hangs_holds_up_no_fence() {
    let settings = Settings { agent_uses_socket: true, ..Settings::default() };
    let cluster = Cluster::up(&Options { settings, ..Options::with_daemons() });
    let writer = cluster.writer();
    let agent = cluster.lab.daemons().unwrap().agent(&writer).unwrap();
    let server = cluster.lab.server(&writer).unwrap();
    agent.kill9_part(Part::Both).unwrap();
    // Another fence that hangs, and a server that hangs.
    let lock = cluster.lab.folder().join(&writer).join("mmm_agentd.json.lock");
    let turn = until("the lock of the killed agent to be free", SOON, || {
        let file = File::options().read(true).write(true).open(&lock).unwrap();
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)
    });
    let mut turn = turn.unwrap();
    turn.set_len(0).unwrap();
    writeln!(turn, "fence {}", std::process::id()).unwrap();
    server.freeze().unwrap();
    let since = Instant::now();
    let said = fence(&cluster, &writer, &["--limit", "1s"]);
    let took = since.elapsed();
    println!("with a server and another fence that hang: {took:?}\n{}", said.stdout);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("going on without it"), "{said:?}");
    assert!(said.stdout.contains("for it could not be verified to be read-only"), "{said:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(!server.is_running());
    assert!(!holders(&cluster.lab, WRITER_VIP).contains(&writer));
    drop(turn);
    server.start().unwrap();
    agent.start().unwrap();
    all_rejoined(&cluster.lab);
    cluster.assert_never_two_writers();
}

#[test]
fn who_may_not_is_told_so_and_touches_nothing() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let folder = tempfile::tempdir().unwrap();
    let home = cluster.lab.folder().join(&writer);
    for name in ["mmm_common.toml", "mmm_agent.toml"] {
        let path = folder.path().join(name);
        fs::copy(home.join(name), &path).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let program = folder.path().join("mmm-agentd");
    copy_program(&binary("mmm-agentd").unwrap(), &program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = cluster.lab.host(&writer).unwrap().command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(["fence", "--config"])
        .arg(folder.path().join("mmm_agent.toml"));
    let said = run(command);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("CAP_NET_ADMIN") && said.stdout.contains("as root"), "{said:?}");
    all_online(&cluster.lab, SOON);
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [writer]);
    cluster.client.wait_rows(50, SOON).unwrap();
    cluster.assert_never_two_writers();
}
