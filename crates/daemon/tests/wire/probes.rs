//! The probes against a real MariaDB on loopback, alive, frozen, dead and out of reach.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mmm_daemon::clock::Clock;
use mmm_daemon::mond::probe::server::{Account, Replication, ServerProbe};
use mmm_daemon::mond::probe::{
    Found, NetworkTarget, ProbeEvent, ProbeResult, Probes, Target, Timing,
};
use mmm_proto::{Check, Span};
use mysql_async::prelude::Queryable as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::kit::{host, within};
use crate::stopped::stands_still;

const PASSWORD: &str = "probe-geheim";
const LIMIT: Span = Span::ms(1000);

/// A server of its own; gone with this value.
struct MariaDb {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl MariaDb {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Its bootstrap would share /tmp with every other server, and its temporary names are not
        // unique.
        let tmp = folder.path().join("tmp");
        std::fs::create_dir(&tmp).unwrap();
        let installed = Command::new("mariadb-install-db")
            .env("TMPDIR", &tmp)
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--skip-name-resolve", "--innodb-log-file-size=4M", "--user=root"])
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            .output()
            .expect("the tests need the package mariadb-server");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: spawn(folder.path(), port), folder, port };
        let mut root = server.root().await;
        root.query_drop(format!(
            "CREATE USER mmm_monitor@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; \
             GRANT SLAVE MONITOR ON *.* TO mmm_monitor@'127.0.0.1'; \
             CREATE USER nobody@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"
        ))
        .await
        .unwrap();
        root.disconnect().await.unwrap();
        server
    }

    async fn root(&mut self) -> mysql_async::Conn {
        let socket = self.folder.path().join("sock").display().to_string();
        let opts = mysql_async::OptsBuilder::default().socket(Some(socket)).user(Some("root"));
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match mysql_async::Conn::new(opts.clone()).await {
                Ok(conn) => return conn,
                Err(error) => {
                    let log =
                        std::fs::read_to_string(self.folder.path().join("err")).unwrap_or_default();
                    assert!(self.child.try_wait().unwrap().is_none(), "the server ended: {log}");
                    assert!(Instant::now() < end, "the server does not answer: {error}: {log}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    async fn sql(&mut self, sql: &str) {
        let mut root = self.root().await;
        root.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        root.disconnect().await.unwrap();
    }

    fn account(&self, user: &str, password: &str) -> Account {
        Account {
            ip: "127.0.0.1".parse().unwrap(),
            port: self.port,
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        }
    }

    fn probe(&self) -> ServerProbe {
        ServerProbe::new(self.account("mmm_monitor", PASSWORD))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
        if signal == Signal::SIGSTOP {
            stands_still(pid);
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // The folder goes after this: never under a server that runs.
        self.kill().expect("the server can be killed");
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    Command::new("mariadbd")
        .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve"])
        .args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--log-bin=bin"])
        .args(["--innodb-flush-method=nosync", "--relay-log=relay", "--server-id=1"])
        .args(["--max-connections=10", "--extra-max-connections=1"])
        .arg(format!("--datadir={}", path("data")))
        .arg(format!("--tmpdir={}", path("tmp")))
        .arg(format!("--socket={}", path("sock")))
        .arg(format!("--pid-file={}", path("pid")))
        .arg(format!("--log-error={}", path("err")))
        .arg(format!("--port={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tests need the package mariadb-server")
}

fn soft(found: &Found) -> &str {
    match found {
        Found::Failed { why, hard: false } => why,
        other => panic!("not a soft failure: {other:?}"),
    }
}

fn unknown(found: &Found) -> &str {
    match found {
        Found::Unknown(why) => why,
        other => panic!("not unknown: {other:?}"),
    }
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Span) {
    let began = Clock.now();
    let done = within("a probe", future).await;
    (done, Clock.now().since(began))
}

#[tokio::test]
async fn a_server_that_answers_is_ok_and_its_replication_is_read() {
    let mut server = MariaDb::start().await;
    let mut probe = server.probe();
    for _ in 0..3 {
        assert_eq!(probe.mysql(LIMIT).await, Found::Ok("OK".to_owned()));
    }
    let replication = probe.replication(LIMIT).await;
    assert_eq!(replication, Replication::NotSetUp);
    assert_eq!(soft(&replication.threads()), "ERROR: Replication is not set up");
    server.sql("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x'").await;
    let replication = probe.replication(LIMIT).await;
    assert_eq!(soft(&replication.threads()), "ERROR: Replication is broken");
    assert!(unknown(&replication.backlog(Span::secs(60))).contains("Backlog is null"));
    server.sql("START SLAVE").await;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = probe.replication(LIMIT).await.threads();
        if found == Found::Ok("OK: Connecting to the source".to_owned()) {
            break;
        }
        assert!(Instant::now() < end, "last seen: {found:?}");
    }
    // A session that an operator ended is no failure.
    server.sql("KILL USER mmm_monitor").await;
    assert_eq!(probe.mysql(LIMIT).await, Found::Ok("OK".to_owned()));
    server.sql("KILL USER mmm_monitor").await;
    let replication = probe.replication(LIMIT).await;
    assert!(matches!(replication, Replication::Replica(_)), "{replication:?}");
}

#[tokio::test]
async fn wrong_accounts_say_what_is_wrong_and_never_the_password() {
    let mut server = MariaDb::start().await;
    let mut probe = ServerProbe::new(server.account("mmm_monitor", "falsch-geheim"));
    let found = probe.mysql(LIMIT).await;
    let wants = format!(
        "ERROR: Connect error (host = 127.0.0.1:{}, user = mmm_monitor)! Access denied",
        server.port
    );
    assert!(soft(&found).starts_with(&wants) && found.message().ends_with("(1045)"), "{found:?}");
    assert!(!format!("{found:?}{probe:?}").contains("falsch-geheim"));
    let found = probe.replication(LIMIT).await.threads();
    assert!(unknown(&found).starts_with("UNKNOWN: Connect error (host"), "{found:?}");

    let mut probe = ServerProbe::new(server.account("nobody", PASSWORD));
    assert_eq!(probe.mysql(LIMIT).await, Found::Ok("OK".to_owned()));
    let replication = probe.replication(LIMIT).await;
    for found in [replication.threads(), replication.backlog(Span::secs(60))] {
        assert!(soft(&found).contains("SLAVE MONITOR privilege"), "{found:?}");
    }
    assert!(!format!("{replication:?}").contains(PASSWORD));

    let mut taken = Vec::new();
    server.sql("SET GLOBAL max_connections=10").await;
    let found = loop {
        let mut probe = ServerProbe::new(server.account("nobody", PASSWORD));
        match probe.mysql(LIMIT).await {
            Found::Ok(_) => taken.push(probe),
            other => break other,
        }
        assert!(taken.len() < 20, "the server takes any number");
    };
    assert!(unknown(&found).contains("Too many connections (1040)"), "{found:?}");
}

#[tokio::test]
async fn a_dead_server_is_hard_evidence_and_a_frozen_one_is_not() {
    let mut server = MariaDb::start().await;
    let (mut kept, mut fresh) = (server.probe(), server.probe());
    assert_eq!(kept.mysql(LIMIT).await, Found::Ok("OK".to_owned()));
    server.signal(Signal::SIGSTOP);
    let limit = Span::ms(300);
    for probe in [&mut kept, &mut fresh] {
        for _ in 0..2 {
            let (found, took) = timed(probe.mysql(limit)).await;
            assert!(soft(&found).starts_with("ERROR: Timeout (host = 127.0.0.1:"), "{found:?}");
            assert!(took >= Span::ms(295) && took <= Span::ms(400), "{took}");
        }
    }
    server.signal(Signal::SIGCONT);
    let end = Instant::now() + Duration::from_secs(10);
    while kept.mysql(LIMIT).await != Found::Ok("OK".to_owned()) {
        assert!(Instant::now() < end, "the server does not come back");
    }
    server.kill().unwrap();
    for probe in [&mut kept, &mut fresh] {
        let (found, took) = timed(probe.mysql(LIMIT)).await;
        let Found::Failed { why, hard: true } = &found else { panic!("{found:?}") };
        assert!(
            why.starts_with("ERROR: Connect error (host = ") && why.contains("refused"),
            "{why}"
        );
        assert!(took < Span::ms(200), "{took}");
    }
    server.child = spawn(server.folder.path(), server.port);
    let end = Instant::now() + Duration::from_secs(20);
    while kept.mysql(LIMIT).await != Found::Ok("OK".to_owned()) {
        assert!(Instant::now() < end, "the server does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that accepts and says nothing, as a frozen server.
fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[tokio::test]
async fn a_frozen_host_delays_no_other_and_probes_run_on_demand() {
    let server = MariaDb::start().await;
    let (_mute, mute) = mute();
    let timing =
        |period, timeout| [Timing { period: Span::ms(period), timeout: Span::ms(timeout) }; 4];
    let frozen = Account { port: mute.port(), ..server.account("mmm_monitor", PASSWORD) };
    let max_backlog = Span::secs(60);
    let targets = vec![
        Target { host: host("db1"), account: frozen, timing: timing(100, 5000), max_backlog },
        Target {
            host: host("db2"),
            account: server.account("mmm_monitor", PASSWORD),
            timing: timing(100, 1000),
            max_backlog,
        },
        Target {
            host: host("db3"),
            account: server.account("mmm_monitor", PASSWORD),
            timing: timing(60_000, 1000),
            max_backlog,
        },
    ];
    let (tx, mut rx) = mpsc::channel(64);
    let network = NetworkTarget { ips: Vec::new(), timing: timing(100, 100)[0] };
    let began = Clock.now();
    let probes = Probes::start(targets, network, &tx);
    let mut next = async || -> ProbeResult {
        match within("a result", rx.recv()).await.unwrap() {
            ProbeEvent::Checked(result) => result,
            other => panic!("{other:?}"),
        }
    };
    let mut counts = [0; 4];
    while counts.iter().any(|count| *count < 5) {
        let result = next().await;
        if result.host == host("db2") {
            counts[result.check.index()] += 1;
            let wants = if matches!(result.check, Check::Ping | Check::Mysql) {
                "OK"
            } else {
                "ERROR: Replication is not set up"
            };
            assert_eq!(result.found.message(), wants);
            assert!(result.took < Span::ms(500), "{result:?}");
        }
    }
    let took = Clock.now().since(began);
    assert!(took < Span::secs(3), "five runs of 100 ms took {took}");
    probes.probe_now(&host("db3"));
    let asked = Clock.now();
    loop {
        let result = next().await;
        if result.host == host("db3") && result.check == Check::Mysql && result.began >= asked {
            assert!(Clock.now().since(asked) < Span::secs(2));
            break;
        }
    }
}
