//! A test bed: hosts as network namespaces on a bridge that is in a namespace too, MariaDB servers
//! in them. Everything carries this process's number and is removed when the bed is dropped. What
//! must not be here: what is tested.

use std::fs;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mmm_daemon::agentd::address::Addresses;
use mmm_daemon::agentd::announce::Announcer;
use mmm_daemon::agentd::fence::Hands;
use mmm_daemon::agentd::refuse::Refusal;
use mmm_daemon::agentd::server::{Server, ServerAccess};
use mmm_daemon::config::Secret;
use mmm_proto::Span;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::stopped::stands_still;
use crate::template::template;

/// One bed at a time: two cores, and timings are asserted.
static ONE: Mutex<()> = Mutex::new(());

pub(crate) const VIP: &str = "10.77.0.100";
pub(crate) const VIP6: &str = "fd77::100";
pub(crate) const NIC: &str = "eth0";
/// Long enough for a busy machine; nothing waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Bed {
    tag: String,
    dir: tempfile::TempDir,
    /// How many servers it has, once they run.
    planned: usize,
    servers: Vec<Child>,
    _one: MutexGuard<'static, ()>,
}

impl Bed {
    /// Hosts 1..=`servers` with a server each, and host 9 for clients.
    pub(crate) fn new(servers: usize) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces: run as root"
        );
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bed = Self {
            tag: format!("mmah{}", std::process::id()),
            dir: scratch(),
            planned: servers,
            servers: Vec::new(),
            _one: one,
        };
        bed.network(servers);
        for host in 1..=servers {
            let child = bed.spawn(host);
            bed.servers.push(child);
        }
        for host in 1..=servers {
            bed.wait_ready(host);
        }
        bed
    }

    fn hosts(servers: usize) -> Vec<usize> {
        (1..=servers).chain([9]).collect()
    }

    fn network(&self, servers: usize) {
        let hub = format!("{}-hub", self.tag);
        run("ip", &["netns", "add", &hub]);
        ip(&hub, "link add br0 type bridge mcast_snooping 0");
        ip(&hub, "link set br0 up");
        for host in Self::hosts(servers) {
            let ns = self.ns(host);
            run("ip", &["netns", "add", &ns]);
            ip(&ns, &format!("link add {NIC} type veth peer name p{host} netns {hub}"));
            ip(&hub, &format!("link set p{host} master br0 up"));
            ip(&ns, "link set lo up");
            ip(&ns, &format!("link set {NIC} up"));
            ip(&ns, &format!("addr add 10.77.0.{host}/24 dev {NIC}"));
            ip(&ns, &format!("addr add fd77::{host}/64 dev {NIC} nodad"));
        }
    }

    pub(crate) fn ns(&self, host: usize) -> String {
        format!("{}-{host}", self.tag)
    }

    pub(crate) fn ip(&self, host: usize) -> IpAddr {
        IpAddr::from([10, 77, 0, u8::try_from(host).unwrap()])
    }

    fn data(&self, host: usize) -> PathBuf {
        self.dir.path().join(format!("db{host}"))
    }

    pub(crate) fn socket(&self, host: usize) -> PathBuf {
        self.data(host).join("s")
    }

    fn spawn(&self, host: usize) -> Child {
        let data = self.data(host);
        if !data.exists() {
            for (name, bytes) in template() {
                let path = data.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        let log = fs::File::create(data.join("log")).unwrap();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns(host), "mariadbd", "--no-defaults", "--user=root"]);
        command.arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", data.join("s").display()));
        command.arg(format!("--server-id={host}"));
        for option in OPTIONS {
            command.arg(format!("--{option}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("mariadbd: apt install mariadb-server iproute2")
    }

    fn wait_ready(&self, host: usize) {
        wait(&format!("server {host} to answer"), || {
            let path = self.socket(host);
            sql_cli(&path, "select 1").map(|_| ())
        });
    }

    /// Kills the server's process, as `kill -9` does, and waits for its end.
    pub(crate) fn kill(&mut self, host: usize) {
        let child = &mut self.servers[host - 1];
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a killed server again.
    pub(crate) fn restart(&mut self, host: usize) {
        self.servers[host - 1].wait().unwrap();
        self.servers[host - 1] = self.spawn(host);
        self.wait_ready(host);
    }

    pub(crate) fn signal(&self, host: usize, signal: Signal) {
        let pid = i32::try_from(self.servers[host - 1].id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
        if signal == Signal::SIGSTOP {
            stands_still(pid);
        }
    }

    /// As the server's root by its socket: the first column of all rows.
    pub(crate) fn root(&self, host: usize, sql: &str) -> String {
        sql_cli(&self.socket(host), sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// Runs `work` in the namespace of a host.
    pub(crate) fn on<T: Send, F: Future<Output = T>>(
        &self,
        host: usize,
        work: impl FnOnce() -> F + Send,
    ) -> T {
        let ns = self.ns(host);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || inside(&ns, work));
            match thread.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    pub(crate) fn access(&self, host: usize) -> ServerAccess {
        ServerAccess {
            host: format!("db{host}"),
            ip: self.ip(host),
            port: 3306,
            socket: None,
            user: "mmm_agent".to_owned(),
            password: Secret::new("agent's \\ pw"),
            replication_user: "repl".to_owned(),
            replication_password: Secret::new("repl's \\ pw"),
            monitor_user: "mmm_monitor".to_owned(),
            connect_timeout: Span::ms(1000),
        }
    }

    pub(crate) fn server(&self, host: usize) -> Server {
        Server::new(self.access(host))
    }

    /// To be called inside the namespace of that host.
    pub(crate) async fn hands(&self, host: usize) -> Hands {
        let addresses = Addresses::open(NIC).await.unwrap();
        let announcer = Announcer::open(NIC).unwrap();
        let refusal = Refusal::new(3306);
        refusal.available().await.unwrap();
        let server = self.server(host);
        server.warm_up(Span::secs(5)).await.unwrap();
        Hands::new(server, addresses, announcer, refusal)
    }

    /// A client on host 9, connected to `to` as the application.
    pub(crate) async fn client(&self, to: IpAddr) -> Client {
        Client::connect(self.ns(9), to, "app", "app").await.unwrap()
    }

    pub(crate) async fn client_as(&self, to: IpAddr, user: &str) -> Result<Client, String> {
        Client::connect(self.ns(9), to, user, user).await
    }

    /// Connects from host 9 and waits for the greeting; how long it took.
    pub(crate) async fn connect(&self, to: IpAddr) -> (Duration, std::io::Result<()>) {
        let ns = self.ns(9);
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            enter(&ns);
            let began = Instant::now();
            let limit = Duration::from_secs(2);
            let done = TcpStream::connect_timeout(&SocketAddr::new(to, 3306), limit);
            let done = done.and_then(|mut stream| {
                stream.set_read_timeout(Some(limit))?;
                std::io::Read::read_exact(&mut stream, &mut [0; 4])
            });
            let _ = tell.send((began.elapsed(), done));
        });
        told.await.unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for child in &mut self.servers {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Also after a failure half-way: what is not there need not go.
        let hosts = Self::hosts(self.planned).into_iter().map(|host| self.ns(host));
        for ns in hosts.chain([format!("{}-hub", self.tag)]) {
            let _ = Command::new("ip").args(["netns", "del", &ns]).output();
        }
    }
}

fn enter(ns: &str) {
    let file = fs::File::open(format!("/run/netns/{ns}")).unwrap();
    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
}

pub(crate) fn inside<T, F: Future<Output = T>>(ns: &str, work: impl FnOnce() -> F) -> T {
    enter(ns);
    // One thread: everything that is opened belongs to the namespace.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { work().await })
}

/// Waits until `probe` succeeds; panics with what it last said.
pub(crate) fn wait<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(why) if began.elapsed() > PATIENCE => panic!("waiting for {what}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The same inside a runtime.
pub(crate) async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(why) if began.elapsed() > PATIENCE => panic!("waiting for {what}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("mmm-agent-host-").tempdir_in(root).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ip(ns: &str, words: &str) {
    let mut all = vec!["-n", ns];
    all.extend(words.split(' '));
    run("ip", &all);
}

pub(crate) fn run(program: &str, args: &[&str]) {
    let done =
        Command::new(program).args(args).stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("{program}: {error}; apt install mariadb-server iproute2")
        });
    let words = [done.stdout, done.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(done.status.success(), "{program} {args:?}: {words}");
}

fn sql_cli(socket: &Path, sql: &str) -> Result<String, String> {
    let done = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-N", "-B", "-e", sql, "-S", text(socket)])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

const OPTIONS: [&str; 22] = [
    "skip-name-resolve",
    "bind-address=*",
    "port=3306",
    "log-bin=bin",
    "relay-log=relay",
    "log-slave-updates",
    "gtid-strict-mode=1",
    "skip-slave-start",
    "innodb-log-file-size=4M",
    "innodb-buffer-pool-size=16M",
    "innodb-flush-log-at-trx-commit=0",
    "innodb-flush-method=nosync",
    "innodb-doublewrite=0",
    "innodb-use-native-aio=0",
    "sync-binlog=0",
    "performance-schema=OFF",
    "aria-pagecache-buffer-size=1M",
    "key-buffer-size=1M",
    "table-open-cache=100",
    "max-connections=200",
    "innodb-fast-shutdown=2",
    "lc-messages=en_US",
];
