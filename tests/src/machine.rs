//! A real systemd on a host of the lab: a container of the host's own network, made with `unshare`,
//! whose files lie over those of this machine. What is started in it is a matter of its tests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::daemons::Said;
use crate::net::Host;
use crate::process::{Process, output};
use crate::rights::find;
use crate::sweep::PREFIX;
use crate::wait::until;

/// How long systemd may take to come up, and a command in it to end.
const BOOT: Duration = Duration::from_secs(30);
const COMMAND: Duration = Duration::from_secs(30);

const REMEDY: &str = "these tests need a real systemd: run them as root on a machine with a unified \
    hierarchy of control groups (`mount -t cgroup2`) and overlayfs, with the Debian packages \
    systemd and dbus (`make setup`)";

/// Everything from an empty folder to the first process.
const INSIDE: &str = include_str!("machine/boot.sh");

/// A file that the machine is to have.
pub struct File<'a> {
    pub path: &'a str,
    pub content: Vec<u8>,
    pub mode: u32,
}

/// One machine. Dropping it ends everything in it.
pub struct Machine {
    name: String,
    group: PathBuf,
    log: PathBuf,
    process: Process,
    /// The machine's first process, as this machine numbers it.
    init: i32,
}

impl Machine {
    /// Boots a machine on `host`, with these files on top of what is installed here; `folder` is a
    /// new one for its own use. `/etc/mysql-mmm` belongs to the group of the daemons.
    pub fn boot(host: &Host, folder: &Path, files: &[File<'_>]) -> Result<Machine> {
        check().context(REMEDY)?;
        for file in files {
            let path = folder.join("files").join(file.path.trim_start_matches('/'));
            let parent = path.parent().context("a folder")?;
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
            fs::write(&path, &file.content).with_context(|| format!("write {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        }
        let root = hierarchy()?;
        remove_leftovers(&root);
        let group = root.join(&host.namespace);
        fs::create_dir_all(&group).with_context(|| format!("create {}", group.display()))?;
        let mut command = Command::new("sh");
        let outside = "echo $$ > \"$0/cgroup.procs\" && exec nsenter --net=\"$1\" unshare --mount \
            --pid --uts --ipc --cgroup --fork --kill-child sh -euc \"$2\" boot \"$3\"";
        command.args(["-euc", outside]).arg(&group);
        command.arg(format!("/run/netns/{}", host.namespace)).arg(INSIDE).arg(folder);
        let name = format!("systemd on {}", host.name);
        let log = folder.join("console");
        let process = Process::start(&name, command, &log)?;
        // From here on it is ended with this value, also when a step fails.
        let mut machine = Machine { name, group, log, process, init: 0 };
        machine.init = until("systemd to begin", BOOT, || machine.find_init())
            .with_context(|| format!("{REMEDY}\n{}", machine.process.tail()))?;
        let up = until("systemd to be up", BOOT, || {
            let said = machine.systemctl(&["is-active", "mmm-test.target"]);
            let said = said.map_err(|error| format!("{error:#}"))?;
            if said.code == 0 { Ok(()) } else { Err(format!("{said:?}")) }
        });
        up.with_context(|| format!("{REMEDY}\n{}", machine.process.tail()))?;
        Ok(machine)
    }

    /// The child of `unshare`, once it has become systemd.
    fn find_init(&self) -> Result<i32, String> {
        if let Some(how) = self.process.ended() {
            return Err(format!("it ended ({how})"));
        }
        let path = format!("/proc/{0}/task/{0}/children", self.process.pid());
        let children = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let child = children.trim().parse().map_err(|_| format!("no child: {children:?}"))?;
        let name = fs::read_to_string(format!("/proc/{child}/comm"));
        let name = name.map_err(|error| error.to_string())?;
        if name.trim() == "systemd" { Ok(child) } else { Err(format!("it is {name:?}")) }
    }

    /// Runs a program in the machine.
    pub fn run(&self, words: &[&str]) -> Result<Said> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--all", "--"]).args(words);
        let done = output(command, "", COMMAND).with_context(|| self.name.clone())?;
        Ok(Said {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// `systemctl` in the machine.
    pub fn systemctl(&self, words: &[&str]) -> Result<Said> {
        self.run(&[&["systemctl"], words].concat())
    }

    /// `systemctl` that must succeed; the error has what the unit said last.
    pub fn must(&self, words: &[&str]) -> Result<String> {
        let said = self.systemctl(words)?;
        if said.code != 0 {
            let unit = words.last().copied().unwrap_or_default();
            bail!("systemctl {}: {said:?}\n{}", words.join(" "), self.journal(unit));
        }
        Ok(said.stdout)
    }

    /// The first process of a unit, as the machine numbers it.
    pub fn main_pid(&self, unit: &str) -> Result<String> {
        let said = self.must(&["show", "--property=MainPID", "--value", unit])?;
        let pid = said.trim();
        if pid == "0" {
            bail!("{unit} has no process\n{}", self.journal(unit))
        }
        Ok(pid.to_owned())
    }

    /// Everything that a unit has said.
    pub fn journal(&self, unit: &str) -> String {
        let said =
            self.run(&["journalctl", "--no-pager", "--output=short-monotonic", "--unit", unit]);
        said.map_or_else(|error| format!("{error:#}"), |said| said.stdout)
    }

    /// What it wrote on its console.
    pub fn console(&self) -> String {
        crate::process::tail(&self.name, &self.log)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // `unshare` takes systemd with it, and systemd's end all that it started.
        let ended = self.process.kill9();
        let gone = until("its control groups to be empty", Duration::from_secs(10), || {
            remove_group(&self.group)
        });
        if let Err(error) = ended.and(gone) {
            // Nobody is left to return it to.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("{} is not removed completely: {error:#}", self.name);
            }
        }
    }
}

fn check() -> Result<()> {
    if !nix::unistd::geteuid().is_root()
        || fs::read_to_string("/proc/self/uid_map")?.contains("\n ")
    {
        bail!("this is not root");
    }
    for program in ["unshare", "nsenter", "pivot_root", "systemctl", "dbus-daemon"] {
        find(program).with_context(|| format!("there is no `{program}`"))?;
    }
    hierarchy().map(drop)
}

/// Where the unified hierarchy of control groups is mounted.
fn hierarchy() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
    let found = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(at))
    });
    found.context("no unified hierarchy of control groups is mounted")
}

/// Groups of labs that are gone; those in use cannot be removed.
fn remove_leftovers(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = remove_group(&entry.path());
        }
    }
}

/// Removes a control group and those in it.
fn remove_group(group: &Path) -> Result<(), String> {
    let why = |error: std::io::Error| format!("{}: {error}", group.display());
    match fs::read_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(why(error)),
        Ok(entries) => {
            for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
                remove_group(&entry.path())?;
            }
        }
    }
    fs::remove_dir(group).map_err(why)
}
