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

    /// `kill -9` to the daemon's first process alone; what it started may go on.
    pub fn kill9_parent(&self) -> Result<()> {
        self.with_process(|p| {
            p.signal(Signal::SIGKILL, false)?;
            if p.wait(PATIENCE) { Ok(()) } else { bail!("it did not die") }
        })
    }

    /// SIGSTOP to the daemon and everything that it started.
    pub fn freeze(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGSTOP, true))
    }

    /// SIGCONT to the daemon and everything that it started.
    pub fn thaw(&self) -> Result<()> {
        self.with_process(|p| p.signal(Signal::SIGCONT, true))
    }

    /// The process id while it runs.
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
