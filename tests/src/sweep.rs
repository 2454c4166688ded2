//! Finds what labs left behind whose process is gone (`kill -9`, Ctrl-C in a test), and removes it.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::net;
use crate::process::started_at;
use crate::wait::until;

/// How the names of everything that a lab makes begin.
pub const PREFIX: &str = "mmm-lab-";
/// The file in a lab's folder that says who made it.
const OWNER: &str = "owner";

/// Where labs keep their files: in memory where possible.
pub fn base() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() && nix::unistd::access(&shm, nix::unistd::AccessFlags::W_OK).is_ok() {
        return shm;
    }
    std::env::temp_dir()
}

/// Says in the folder of a lab that it belongs to this process.
pub(crate) fn claim(folder: &Path) -> Result<()> {
    let pid = nix::unistd::getpid().as_raw();
    let text = format!("{pid} {}\n", started_at(pid).unwrap_or(0));
    let file = folder.join(OWNER);
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

/// The pid in a name that a lab gave (`mmm-lab-PID-N...`).
pub fn owner_of(name: &str) -> Option<i32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Whether the process that made `name` is still there.
fn alive(name: &str) -> bool {
    let Some(pid) = owner_of(name) else {
        return true;
    };
    let Some(started) = started_at(pid) else {
        return false;
    };
    let id: Vec<&str> = name.splitn(5, '-').take(4).collect();
    match fs::read_to_string(base().join(id.join("-")).join(OWNER)) {
        // The same number, another process: then the owner is gone.
        Ok(text) => text.split_whitespace().nth(1) == Some(started.to_string().as_str()),
        Err(_) => true,
    }
}

/// The folders of all labs, of live and of dead ones.
pub fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(base()).into_iter().flatten().flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| owner_of(name).is_some())
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(named).collect();
    found.sort();
    found
}

/// Removes everything of dead labs; says what it removed. Live labs are left alone.
pub fn sweep() -> Result<Vec<String>> {
    let mut removed = Vec::new();
    // Without rights these are other people's; an ordinary user's own went with that lab.
    let root = nix::unistd::geteuid().is_root();
    for namespace in net::list(PREFIX).into_iter().filter(|_| root) {
        if !alive(&namespace) {
            net::remove(&namespace)?;
            removed.push(format!("network namespace {namespace}"));
        }
    }
    for folder in folders() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Another user's lab is that user's to sweep.
        let mine = nix::unistd::access(&folder, nix::unistd::AccessFlags::W_OK).is_ok();
        if mine && !alive(&name) {
            end_users(&folder)?;
            crate::disk::unmount_below(&folder)?;
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
            removed.push(format!("folder {}", folder.display()));
        }
    }
    Ok(removed)
}

/// Ends the processes that name a dead lab's folder on their command line (servers and daemons
/// whose namespace went with an unprivileged lab), before their files go.
fn end_users(folder: &Path) -> Result<()> {
    // With the slash: the folder of lab 1 must not match that of lab 12.
    let needle = format!("{}/", folder.display());
    until(&format!("the users of {} to end", folder.display()), Duration::from_secs(10), || {
        let users = users_of(&needle);
        for pid in &users {
            // Gone meanwhile is as good.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if users.is_empty() { Ok(()) } else { Err(format!("{users:?} run")) }
    })
}

fn users_of(needle: &str) -> Vec<i32> {
    let this = nix::unistd::getpid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |entry: fs::DirEntry| -> Option<i32> {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        (pid != this && ours(&line, needle)).then_some(pid)
    };
    entries.filter_map(pid).collect()
}

/// One of our programs (a server or a daemon), started with a file below `needle`.
fn ours(command_line: &[u8], needle: &str) -> bool {
    let line = String::from_utf8_lossy(command_line);
    let program = line.split('\0').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    matches!(name, "mariadbd" | "mmm-mond" | "mmm-agentd") && line.contains(needle)
}
