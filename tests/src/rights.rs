//! Whether this process may build networks, and how to get there without root.
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Set in the environment of a program that was started under `unshare`.
const INSIDE: &str = "MMM_LAB_USER_NAMESPACE";

const REMEDY: &str = "run it as root, or as an ordinary user through `mmm-lab run -- COMMAND` \
    (what `make test` does), which makes a user namespace first";

/// An error that names the remedy unless namespaces can be made here.
pub fn check() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab needs rights over the network, and this is an ordinary user: {REMEDY}");
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("prlimit", "util-linux")] {
        if find(program).is_none() {
            bail!("the lab needs `{program}`: run `make setup` (Debian package {package})");
        }
    }
    for program in ["mariadbd", "mariadb-install-db"] {
        if find(program).is_none() {
            bail!(
                "the lab needs MariaDB, and there is no `{program}`: run `make setup` (Debian \
                 package mariadb-server-core)"
            );
        }
    }
    Ok(())
}

/// An error that names the remedy where this process can be no other user: in the namespace that an
/// ordinary user gets there is only one.
pub fn other_users() -> Result<()> {
    let map = std::fs::read_to_string("/proc/self/uid_map").context("read the users there are")?;
    let all: u64 =
        map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum();
    if all > 1 {
        return Ok(());
    }
    bail!("this needs accounts besides its own, and a user namespace has none: run it as root")
}

/// Looks a program up in PATH and in the folders for administrators.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
    std::env::split_paths(&path)
        .chain(more.iter().map(|folder| Path::new(folder).to_path_buf()))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Replaces this process by `program` with the rights that the lab needs: as it is for root, in
/// new user, network and mount namespaces for everybody else. Returns only to say why not.
pub fn exec(program: &OsStr, args: &[impl AsRef<OsStr>]) -> anyhow::Error {
    if nix::unistd::geteuid().is_root() {
        let error = Command::new(program).args(args).exec();
        return anyhow::Error::from(error).context(format!("start {}", program.display()));
    }
    if let Err(e) = user_namespaces_work() {
        return e;
    }
    let error = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c"])
        // `ip netns` keeps its names in /run, which belongs to the real root.
        .arg("mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"")
        .arg(program)
        .args(args)
        .env(INSIDE, "1")
        .exec();
    anyhow::Error::from(error).context("start unshare (Debian package util-linux)")
}

/// Makes sure that a program of the lab has its rights: returns at once when it has, otherwise
/// starts it again under [`exec`].
pub fn ensure() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    if std::env::var_os(INSIDE).is_some() {
        bail!("the user namespace gave no rights: {REMEDY}");
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    Err(exec(program.as_os_str(), &args))
}

fn user_namespaces_work() -> Result<()> {
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "true"])
        .output()
        .context("start unshare (Debian package util-linux)")?;
    if tried.status.success() {
        return Ok(());
    }
    bail!(
        "this kernel gives ordinary users no namespaces ({}): run it as root, or allow them with \
         `sysctl kernel.unprivileged_userns_clone=1` or \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, whichever this system has",
        String::from_utf8_lossy(&tried.stderr).trim()
    )
}
