//! A real `sshd` on loopback with keys and a configuration of its own, for consoles that come by
//! ssh; and the processes that one finds on the way.
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemons::binary;
use crate::process::{Process, run, words};
use crate::rights;
use crate::wait::until;

/// How long it may take to start and its sessions to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where sshd insists on an empty folder of root's.
const PRIVILEGES: &str = "/run/sshd";

/// The server and everything that a client needs. Ended when this is dropped.
pub struct Sshd {
    folder: tempfile::TempDir,
    user: String,
    port: u16,
    process: Option<Process>,
}

impl Sshd {
    /// Makes keys, starts the server on a free port and waits until it answers.
    pub fn start() -> Result<Sshd> {
        // As root it gives each session to an account without rights first.
        rights::other_users()?;
        let folder = tempfile::tempdir().context("a folder for keys")?;
        let user =
            nix::unistd::User::from_uid(nix::unistd::getuid())?.context("our own name")?.name;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut sshd = Sshd { folder, user, port, process: None };
        for name in ["host", "client", "stranger"] {
            let mut keygen = words(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]);
            keygen.arg(sshd.file(name));
            run(keygen, "").context("make a key; `make setup` installs openssh-client")?;
        }
        std::fs::copy(sshd.file("client.pub"), sshd.file("authorized"))?;
        sshd.know("host")?;
        let folder = sshd.folder.path().display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile {folder}/pid\n\
             AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPasswordAuthentication yes\nPrintMotd no\n"
        );
        std::fs::write(sshd.file("config"), config)?;
        sshd.again()?;
        Ok(sshd)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the client know the host by this key.
    pub fn know(&self, key: &str) -> Result<()> {
        let public = std::fs::read_to_string(self.file(&format!("{key}.pub")))?;
        let line = format!("[127.0.0.1]:{} {public}", self.port);
        std::fs::write(self.file("known"), line).context("write the known hosts")
    }

    /// Lets the client's key do nothing but this, whatever is asked for.
    pub fn restrict(&self, command: &str) -> Result<()> {
        let public = std::fs::read_to_string(self.file("client.pub"))?;
        let line = format!("restrict,command=\"{command}\" {public}");
        std::fs::write(self.file("authorized"), line).context("write the authorized keys")
    }

    /// Makes the client know no host.
    pub fn know_nobody(&self) -> Result<()> {
        std::fs::write(self.file("known"), "").context("empty the known hosts")
    }

    /// Starts it (again) and waits until it answers.
    pub fn again(&mut self) -> Result<()> {
        if !Path::new(PRIVILEGES).exists() && nix::unistd::getuid().is_root() {
            std::fs::create_dir_all(PRIVILEGES).context("the folder that sshd insists on")?;
        }
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
        let program = program.into_iter().find(|path| Path::new(path).is_file());
        let program = program.context("no sshd: `make setup` installs openssh-server")?;
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(self.file("config"));
        let process = Process::start("sshd", command, &self.file("log"))?;
        let answers = until("sshd to answer", PATIENCE, || {
            if let Some(how) = process.ended() {
                return Err(format!("it ended: {how}"));
            }
            TcpStream::connect(("127.0.0.1", self.port)).map(drop).map_err(|e| e.to_string())
        });
        answers.with_context(|| process.tail())?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it with all its sessions as a crash of the machine does.
    pub fn kill(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else {
            bail!("sshd does not run");
        };
        // Each session is a process of its own group, and would go on.
        let sessions = below(process.pid());
        let killed = process.kill9();
        for pid in sessions {
            // Ended already is as good.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        killed
    }

    /// Stops its sessions, as a path that lets nothing through does; new ones may come. Or lets all
    /// go on.
    pub fn freeze_sessions(&self, on: bool) -> Result<()> {
        let process = self.process.as_ref().context("sshd does not run")?;
        let signal = if on { Signal::SIGSTOP } else { Signal::SIGCONT };
        for pid in below(process.pid()) {
            kill(Pid::from_raw(pid), signal).context("signal a session")?;
        }
        Ok(())
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::tail)
    }

    /// `user@127.0.0.1` as the console shows it.
    pub fn place(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }

    /// The options that lead here with this key.
    pub fn way(&self, key: &str) -> Vec<String> {
        let mut all = vec!["--ssh".to_owned(), format!("ssh://{}:{}", self.place(), self.port)];
        let (key, known) = (self.file(key), self.file("known"));
        for option in [
            format!("IdentityFile={}", key.display()),
            format!("UserKnownHostsFile={}", known.display()),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            "GlobalKnownHostsFile=none".to_owned(),
        ] {
            all.push(format!("--ssh-option={option}"));
        }
        all
    }

    /// The options that lead through here to the monitor at `socket`.
    pub fn to(&self, socket: &Path) -> Result<Vec<String>> {
        let mut all = self.way("client");
        let relay = binary("mmm-control")?;
        let command = format!("{} --socket {} relay", relay.display(), socket.display());
        all.push(format!("--ssh-command={command}"));
        Ok(all)
    }

    /// The `ssh` processes that use our files.
    pub fn clients(&self) -> Vec<i32> {
        let mark = self.folder.path().display().to_string();
        processes(|line| line.starts_with("ssh ") && line.contains(&mark))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Nothing to kill is as good.
        let _ = self.kill();
    }
}

/// Every process that this one started, and those that they did.
fn below(pid: i32) -> Vec<i32> {
    let parent = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold spaces; then come the state and the parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all = processes(|_| true);
    let mut found = vec![pid];
    loop {
        let more: Vec<i32> = all
            .iter()
            .copied()
            .filter(|one| !found.contains(one))
            .filter(|one| parent(*one).is_some_and(|parent| found.contains(&parent)))
            .collect();
        if more.is_empty() {
            found.remove(0);
            return found;
        }
        found.extend(more);
    }
}

/// The relays to this socket.
pub fn relays(socket: &Path) -> Vec<i32> {
    let (control, mark) = ("mmm-control", socket.display().to_string());
    // The shell that starts one has the same words in its line, but only at its end.
    processes(|line| {
        let program = line.split(' ').next().unwrap_or_default();
        program.ends_with(control) && line.contains(&mark) && line.ends_with(" relay")
    })
}

/// The processes whose words, parted by spaces, are as wanted.
fn processes(wanted: impl Fn(&str) -> bool) -> Vec<i32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        wanted(line.trim_end())
    })
    .collect()
}
