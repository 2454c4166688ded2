//! `mmm-mond` and `mmm-agentd` on the hosts of a lab, and `mmm-control` beside them.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::config::Paths;
use crate::net::Host;
use crate::process::{Process, lock, output};
use crate::wait::until;

/// How long a daemon may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which processes of a daemon are meant: an agent is a supervisor and its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The process that was started: an agent's supervisor, the whole of a monitor.
    Parent,
    /// The process that an agent's supervisor has started.
    Worker,
    /// Everything.
    Both,
}

impl Part {
    /// From its word.
    pub fn parse(word: &str) -> Result<Part> {
        match word {
            "parent" => Ok(Part::Parent),
            "worker" => Ok(Part::Worker),
            "both" => Ok(Part::Both),
            other => bail!("{other:?} is no part of an agent: worker, parent or both"),
        }
    }
}

/// One daemon on one host.
pub struct Daemon {
    /// "mmm-mond", or "mmm-agentd on db1".
    name: String,
    program: PathBuf,
    host: Host,
    config: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Daemon {
    pub(crate) fn new(program: &str, host: &Host, config: &Path) -> Result<Daemon> {
        Ok(Daemon {
            name: format!("{program} on {}", host.name),
            program: binary(program)?,
            host: host.clone(),
            config: config.to_owned(),
            log: config.with_file_name(format!("{program}.log")),
            process: Mutex::new(None),
        })
    }

    /// Starts it (again); it is given no time to become ready.
    pub fn start(&self) -> Result<()> {
        self.start_under(&[])
    }

    /// Starts it by other programs that end in it, such as `env NAME=VALUE`.
    pub fn start_under(&self, before: &[&str]) -> Result<()> {
        let mut process = lock(&self.process);
        if process.as_ref().is_some_and(Process::is_running) {
            bail!("{} runs already", self.name);
        }
        let mut command = match before.split_first() {
            Some((first, others)) => {
                let mut command = self.host.command(first);
                command.args(others).arg(&self.program);
                command
            }
            None => self.host.command(&self.program),
        };
        command.arg("--config").arg(&self.config);
        *process = Some(Process::start(&self.name, command, &self.log)?);
        Ok(())
    }

    fn with_process(&self, act: impl FnOnce(&Process) -> Result<()>) -> Result<()> {
        match lock(&self.process).as_ref() {
            Some(process) => act(process),
            None => bail!("{} was never started", self.name),
        }
    }

    /// SIGTERM; an error when it does not end by itself.
    pub fn stop(&self) -> Result<()> {
        self.with_process(|p| p.stop(PATIENCE))
    }

    /// `kill -9` to the daemon and everything that it started.
    pub fn kill9(&self) -> Result<()> {
        self.with_process(Process::kill9)
    }

    /// `kill -9` to one process of an agent, or to all. Of the worker's end its supervisor is told
    /// by the kernel at once; a killed supervisor is gone when this returns.
    pub fn kill9_part(&self, part: Part) -> Result<()> {
        match part {
            Part::Both => self.kill9(),
            Part::Worker => self.signal_worker(rustix::process::Signal::KILL),
            Part::Parent => self.with_process(|p| {
                p.signal(Signal::SIGKILL, false)?;
                if p.wait(PATIENCE) { Ok(()) } else { bail!("it did not die") }
            }),
        }
    }

    /// SIGSTOP to one process of an agent, or to all.
    pub fn freeze_part(&self, part: Part) -> Result<()> {
        match part {
            Part::Both => self.freeze(),
            Part::Worker => self.signal_worker(rustix::process::Signal::STOP),
            Part::Parent => self.with_process(|p| p.signal(Signal::SIGSTOP, false)),
        }
    }

    /// The process id of an agent's worker.
    pub fn worker_pid(&self) -> Result<i32> {
        let parent = self.pid().with_context(|| format!("{} does not run", self.name))?;
        worker_of(parent).with_context(|| format!("{} has no worker", self.name))
    }

    fn signal_worker(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = self.worker_pid()?;
        let process = pidfd_open(pid)?;
        // The number may have been given on before the pidfd was opened.
        if self.worker_pid()? != pid {
            bail!("the worker of {} was replaced just now", self.name);
        }
        rustix::process::pidfd_send_signal(&process, signal)
            .with_context(|| format!("{signal:?} to the worker of {}", self.name))
    }

    /// SIGSTOP to the daemon and everything that it started.
    pub fn freeze(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGSTOP, true))
    }

    /// SIGCONT to the daemon and everything that it started.
    pub fn thaw(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGCONT, true))
    }

    /// The process id of its first process while it runs.
    pub fn pid(&self) -> Option<i32> {
        lock(&self.process).as_ref().filter(|p| p.is_running()).map(Process::pid)
    }

    /// An error with the end of its log unless it runs.
    pub fn check(&self) -> Result<()> {
        let process = lock(&self.process);
        let how = match process.as_ref().map(Process::ended) {
            Some(None) => return Ok(()),
            Some(Some(how)) => format!("ended ({how})"),
            None => "was never started".into(),
        };
        bail!("{} {how}\n{}", self.name, self.tail())
    }

    /// Its log file: stdout and stderr of all its runs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log, for error messages.
    pub fn tail(&self) -> String {
        crate::process::tail(&self.name, &self.log)
    }

    pub(crate) fn down(&self) -> Result<()> {
        match lock(&self.process).take() {
            Some(process) => process.kill9(),
            None => Ok(()),
        }
    }
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// All daemons of a lab.
pub struct Daemons {
    pub monitor: Daemon,
    /// In the order of the servers.
    pub agents: Vec<Daemon>,
    pub paths: Paths,
}

impl Daemons {
    pub(crate) fn new(monitor: &Host, agents: &[Host], paths: Paths) -> Result<Daemons> {
        let agent = |(host, config): (&Host, &PathBuf)| Daemon::new("mmm-agentd", host, config);
        Ok(Daemons {
            monitor: Daemon::new("mmm-mond", monitor, &paths.monitor)?,
            agents: agents.iter().zip(&paths.agents).map(agent).collect::<Result<_>>()?,
            paths,
        })
    }

    /// Starts all of them and waits until the monitor answers.
    pub fn start(&self) -> Result<()> {
        for agent in &self.agents {
            agent.start()?;
        }
        self.monitor.start()?;
        self.wait_answering(PATIENCE)
    }

    /// Waits until `mmm-control ping` succeeds.
    pub fn wait_answering(&self, limit: Duration) -> Result<()> {
        let answered = until("the monitor to answer", limit, || {
            // One that ended will not come back: no reason to wait any longer.
            if let Err(ended) = self.all().try_for_each(Daemon::check) {
                return Ok(Err(ended));
            }
            let said = self.control(&["ping"]).map_err(|e| format!("{e:#}"))?;
            if said.code == 0 { Ok(Ok(())) } else { Err(format!("{said:?}")) }
        });
        answered.with_context(|| self.monitor.tail())?
    }

    pub fn all(&self) -> impl Iterator<Item = &Daemon> {
        std::iter::once(&self.monitor).chain(&self.agents)
    }

    /// The agent of that host.
    pub fn agent(&self, host: &str) -> Result<&Daemon> {
        let found = self.agents.iter().find(|agent| agent.host.name == host);
        found.with_context(|| format!("no agent on {host:?}"))
    }

    /// Runs `mmm-control` against this monitor, for at most a minute.
    pub fn control(&self, args: &[&str]) -> Result<Said> {
        let done = output(self.control_command(args)?, "", Duration::from_secs(60))?;
        Ok(Said {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// `mmm-control` that must succeed; its stdout.
    pub fn must(&self, args: &[&str]) -> Result<String> {
        let said = self.control(args)?;
        if said.code != 0 {
            bail!("mmm-control {}: code {}: {}", args.join(" "), said.code, said.stderr.trim());
        }
        Ok(said.stdout)
    }

    /// The `mmm-control` command line itself.
    pub fn control_command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("mmm-control")?);
        command.arg("--socket").arg(&self.paths.socket).args(args);
        Ok(command)
    }

    /// Where the monitor's consoles connect.
    pub fn socket(&self) -> &Path {
        &self.paths.socket
    }

    /// `mmm-tui` on this monitor.
    pub fn console_command(&self) -> Result<Command> {
        let mut command = Command::new(binary("mmm-tui")?);
        command.arg("--socket").arg(&self.paths.socket);
        Ok(command)
    }

    pub(crate) fn down(&self) -> Result<()> {
        let mut result = Ok(());
        for daemon in self.all() {
            // All of them, also when one fails.
            result = result.and(daemon.down());
        }
        result
    }
}

/// The worker among the children of a supervisor.
fn worker_of(parent: i32) -> Option<i32> {
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in brackets, may hold spaces; then come the state and the parent.
        let ours = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        ours == Some(parent.to_string().as_str())
            && words.split(|byte| *byte == 0).any(|word| word == b"--worker")
    })
}

fn pidfd_open(pid: i32) -> Result<std::os::fd::OwnedFd> {
    let id = rustix::process::Pid::from_raw(pid).with_context(|| format!("{pid} as a process"))?;
    rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty())
        .with_context(|| format!("process {pid}"))
}

/// One of our programs, from the folder that this program was built into.
pub fn binary(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("the path of this program")?;
    let mut folder = this.parent().context("the folder of this program")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("the folder above deps")?;
    }
    let program = folder.join(name);
    if !program.is_file() {
        bail!("no {}: run `cargo build --workspace --bins` first", program.display());
    }
    Ok(program)
}
