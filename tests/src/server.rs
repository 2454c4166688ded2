//! One MariaDB server of the lab: its files, its process, its place in the replication topology.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use mmm_proto::GtidPos;
use nix::sys::signal::Signal;

use crate::net::Host;
use crate::process::{Process, lock};
use crate::sql::{Login, Rows, Session};
use crate::template::Template;
use crate::wait::until;

/// The port of every server; each has its own address.
pub const PORT: u16 = 3306;
/// How long one statement of the lab's own may take.
const STATEMENT: Duration = Duration::from_secs(10);
/// How long a server may take to start or to stop.
const START: Duration = Duration::from_secs(15);
/// The biggest file that a server may write, so that a server gone mad cannot fill the machine.
const FILE_LIMIT: &str = "--fsize=2147483648";

/// A database server with its data directory; the data outlives a kill.
pub struct Server {
    host: Host,
    /// `server_id`, and the offset of its AUTO_INCREMENT values.
    id: u32,
    folder: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// Lays out the files below `folder`; does not start anything yet.
    pub(crate) fn new(host: &Host, id: u32, folder: &Path, from: &Template) -> Result<Server> {
        from.copy(&folder.join("data"))
            .with_context(|| format!("copy the data directory of {}", host.name))?;
        let (host, folder) = (host.clone(), folder.to_owned());
        Ok(Server { host, id, folder, process: Mutex::new(None) })
    }

    pub fn name(&self) -> &str {
        &self.host.name
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn ip(&self) -> Ipv4Addr {
        self.host.ip
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its unix socket; reachable from everywhere on the machine.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("data/mysql.sock")
    }

    /// The file that holds its process id.
    pub fn pidfile(&self) -> PathBuf {
        self.folder.join("data/mysqld.pid")
    }

    /// Its error log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("mysqld.log")
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<i32> {
        lock(&self.process).as_ref().filter(|p| p.is_running()).map(Process::pid)
    }

    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Starts it (again, with the data that it has) and waits until it answers.
    pub fn start(&self) -> Result<()> {
        self.spawn()?;
        self.wait_answering()
    }

    pub(crate) fn spawn(&self) -> Result<()> {
        let mut process = lock(&self.process);
        if process.as_ref().is_some_and(Process::is_running) {
            bail!("{} runs already", self.name());
        }
        let server = crate::rights::find("mariadbd")
            .context("no `mariadbd`: run `make setup` (Debian package mariadb-server-core)")?;
        let mut command = self.host.command("prlimit");
        command.arg(FILE_LIMIT).arg(server).arg("--no-defaults").args(self.options());
        *process = Some(Process::start(&self.host.name, command, &self.log())?);
        Ok(())
    }

    pub(crate) fn wait_answering(&self) -> Result<()> {
        let answered = until(&format!("{} to answer", self.name()), START, || {
            if let Some(how) = self.ended() {
                return Ok(Err(anyhow!("{} ended while it started: {how}", self.name())));
            }
            let limit = Duration::from_secs(1);
            let session = Session::unix(&self.socket(), &Login::root(), limit);
            session.and_then(|mut s| s.query("SELECT 1", limit)).map(|_| Ok(()))
        });
        let log = || crate::process::tail(self.name(), &self.log());
        answered.and_then(|end| end).map_err(|e| anyhow!("{e:#}\n{}", log()))
    }

    fn ended(&self) -> Option<String> {
        match lock(&self.process).as_ref() {
            Some(process) => process.ended(),
            None => Some("never started".into()),
        }
    }

    /// Small and fast, and still safe against `kill -9`: what a commit wrote is in the kernel's
    /// page cache by then (`flush_log_at_trx_commit=2`, `sync_binlog=0`), and only a crash of the
    /// whole machine loses that. The doublewrite buffer stays on: a kill can tear a page.
    fn options(&self) -> Vec<String> {
        let data = self.folder.join("data");
        let path = |name: &str| data.join(name).display().to_string();
        let mut options: Vec<String> = [
            "--user=root",
            "--skip-name-resolve",
            "--bind-address=0.0.0.0",
            "--read-only=1",
            "--log-bin=binlog",
            "--relay-log=relay",
            "--log-slave-updates=1",
            "--gtid-strict-mode=1",
            "--gtid-domain-id=0",
            "--slave-net-timeout=4",
            "--auto-increment-increment=2",
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=8M",
            "--innodb-flush-method=fsync",
            "--innodb-use-native-aio=0",
            "--aria-pagecache-buffer-size=1M",
            "--key-buffer-size=1M",
            "--max-connections=600",
            "--table-open-cache=100",
            "--performance-schema=OFF",
        ]
        .map(str::to_owned)
        .into();
        options.extend([
            format!("--datadir={}", data.display()),
            format!("--socket={}", path("mysql.sock")),
            format!("--pid-file={}", path("mysqld.pid")),
            format!("--port={PORT}"),
            format!("--server-id={}", self.id),
            format!("--report-host={}", self.host.ip),
            format!("--auto-increment-offset={}", (self.id - 1) % 2 + 1),
        ]);
        options
    }

    fn with_process(&self, act: impl FnOnce(&Process) -> Result<()>) -> Result<()> {
        match lock(&self.process).as_ref() {
            Some(process) => act(process),
            None => bail!("{} was never started", self.name()),
        }
    }

    /// An orderly stop.
    pub fn stop(&self) -> Result<()> {
        self.with_process(|p| p.stop(START))
    }

    /// `kill -9`; returns when the process is gone.
    pub fn kill9(&self) -> Result<()> {
        self.with_process(Process::kill9)
    }

    /// SIGSTOP: it accepts connections, answers nothing, and forgets nothing.
    pub fn freeze(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGSTOP, false))
    }

    /// SIGCONT: goes on where [`Server::freeze`] stopped it.
    pub fn thaw(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGCONT, false))
    }

    /// A new connection as root, over the unix socket.
    pub fn session(&self) -> Result<Session> {
        Session::unix(&self.socket(), &Login::root(), STATEMENT)
            .with_context(|| format!("connect to {}", self.name()))
    }

    /// Runs one statement as root.
    pub fn sql(&self, sql: &str) -> Result<Rows> {
        let mut session = self.session()?;
        session.query(sql, STATEMENT).with_context(|| format!("{}: {sql}", self.name()))
    }

    /// The first value that a statement returns, as root.
    pub fn value(&self, sql: &str) -> Result<String> {
        let rows = self.sql(sql)?;
        let value = rows.first().map(str::to_owned);
        value.with_context(|| format!("{}: {sql}: no value", self.name()))
    }

    /// `@@read_only`, as the server says it; a server that takes a second has not said it.
    pub fn is_read_only(&self) -> Result<bool> {
        let limit = Duration::from_secs(1);
        let said = Session::unix(&self.socket(), &Login::root(), limit)
            .and_then(|mut session| session.query("SELECT @@GLOBAL.read_only", limit))
            .with_context(|| format!("ask {} whether it is read-only", self.name()))?;
        Ok(said.first() != Some("0"))
    }

    pub fn set_read_only(&self, on: bool) -> Result<()> {
        self.sql(&format!("SET GLOBAL read_only={}", u8::from(on))).map(drop)
    }

    /// Everything that it has in its binary log (`domain-server-sequence`).
    pub fn gtid(&self) -> Result<String> {
        self.value("SELECT @@GLOBAL.gtid_binlog_pos")
    }

    /// SHOW SLAVE STATUS by column; empty when it follows nobody.
    pub fn replica_status(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.sql("SHOW SLAVE STATUS")?.by_name())
    }

    /// Follows `source` by GTID from what it has already.
    pub fn follow(&self, source: &Server) -> Result<()> {
        let login = crate::config::Accounts::default().replication;
        let mut session = self.session()?;
        let change = format!(
            "CHANGE MASTER TO MASTER_HOST='{}', MASTER_PORT={PORT}, MASTER_USER='{}', \
             MASTER_PASSWORD='{}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, \
             MASTER_HEARTBEAT_PERIOD=1",
            source.ip(),
            login.user,
            login.password
        );
        for statement in [
            "STOP SLAVE",
            // What it wrote itself counts as well, should it have been a source before.
            "SET GLOBAL gtid_slave_pos=@@gtid_current_pos",
            &change,
            "START SLAVE",
        ] {
            session
                .query(statement, STATEMENT)
                .with_context(|| format!("{} is to follow {}", self.name(), source.name()))?;
        }
        Ok(())
    }

    /// Stops applying what it receives; it goes on receiving.
    pub fn stop_applier(&self) -> Result<()> {
        self.sql("STOP SLAVE SQL_THREAD").map(drop)
    }

    /// Undoes [`Server::stop_applier`].
    pub fn start_applier(&self) -> Result<()> {
        self.sql("START SLAVE SQL_THREAD").map(drop)
    }

    /// Waits until both replication threads run; the first one's "Yes" means connected.
    pub fn wait_replicating(&self, limit: Duration) -> Result<()> {
        until(&format!("{} to replicate", self.name()), limit, || {
            let status = self.replica_status().map_err(|e| format!("{e:#}"))?;
            let get = |key: &str| status.get(key).map_or("-", String::as_str);
            let (io, applier) = (get("Slave_IO_Running"), get("Slave_SQL_Running"));
            if (io, applier) == ("Yes", "Yes") {
                return Ok(());
            }
            let errors = format!("{} {}", get("Last_IO_Error"), get("Last_SQL_Error"));
            Err(format!("receiver {io}, applier {applier} {}", errors.trim()))
        })
    }

    /// Waits until everything that `source` has now can be read here: the binary log has a
    /// transaction before that.
    pub fn wait_caught_up(&self, source: &Server, limit: Duration) -> Result<()> {
        let goal: GtidPos = source.gtid()?.parse()?;
        until(&format!("{} to reach {goal}", self.name()), limit, || {
            let at = self.value("SELECT @@GLOBAL.gtid_current_pos");
            let at = at.map_err(|e| format!("{e:#}"))?;
            let at: GtidPos = at.parse().map_err(|e| format!("{e}"))?;
            // More is as good: the source may be written to meanwhile.
            if at.includes(&goal) { Ok(()) } else { Err(format!("it is at {at:?}")) }
        })
    }

    pub(crate) fn down(&self) -> Result<()> {
        match lock(&self.process).take() {
            Some(process) => process.kill9(),
            None => Ok(()),
        }
    }
}
