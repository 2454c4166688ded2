//! An initialised MariaDB data directory, made once a process and kept in memory: every server
//! starts from a copy of it, and nothing of it is left on disk.
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::config::Accounts;
use crate::process::{output, words};

/// Zeroes in runs of this length are left out of copies.
const PAGE: usize = 4096;

/// All files of a data directory.
pub(crate) struct Template {
    files: Vec<(PathBuf, Vec<u8>)>,
}

static TEMPLATE: Mutex<Option<&'static Template>> = Mutex::new(None);

/// The template of this process; made below `scratch` by the first caller.
pub(crate) fn get(scratch: &Path) -> Result<&'static Template> {
    let mut slot = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(template) = *slot {
        return Ok(template);
    }
    let made: &'static Template = Box::leak(Box::new(Template::make(scratch)?));
    *slot = Some(made);
    Ok(made)
}

impl Template {
    fn make(scratch: &Path) -> Result<Template> {
        let data = scratch.join("template");
        let script = scratch.join("template.sql");
        fs::write(&script, sql(&Accounts::default()))
            .with_context(|| format!("write {}", script.display()))?;
        let install = crate::rights::find("mariadb-install-db").context(
            "no `mariadb-install-db`: run `make setup` (Debian package mariadb-server-core)",
        )?;
        let mut command = words(&[&install.to_string_lossy(), "--no-defaults"]);
        command
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--extra-file={}", script.display()))
            .args(["--user=root", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve"])
            .args(["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M"]);
        let done = output(command, "", Duration::from_secs(60))?;
        if !done.status.success() {
            let said = [done.stdout, done.stderr].concat();
            bail!("mariadb-install-db failed: {}", String::from_utf8_lossy(&said).trim());
        }
        let mut files = Vec::new();
        collect(&data, Path::new(""), &mut files)?;
        fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
        fs::remove_file(&script).with_context(|| format!("remove {}", script.display()))?;
        Ok(Template { files })
    }

    /// Writes a copy to the new directory `to`.
    pub(crate) fn copy(&self, to: &Path) -> Result<()> {
        for (name, bytes) in &self.files {
            let path = to.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("create {}", folder.display()))?;
            }
            write_sparse(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

fn collect(root: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    let folder = root.join(below);
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", folder.display()))?;
        let name = below.join(entry.file_name());
        if entry.path().is_dir() {
            collect(root, &name, files)?;
        } else {
            let bytes = fs::read(entry.path())
                .with_context(|| format!("read {}", entry.path().display()))?;
            files.push((name, bytes));
        }
    }
    Ok(())
}

fn write_sparse(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    for page in bytes.chunks(PAGE) {
        if page.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(page.len() as i64))?;
        } else {
            file.write_all(page)?;
        }
    }
    file.set_len(bytes.len() as u64)
}

/// Accounts with no more than they need, and the table that the writing client fills.
///
/// Everything is in the template, so no server has anything in its binary log at first.
fn sql(accounts: &Accounts) -> String {
    let Accounts { monitor, agent, replication, app } = accounts;
    let create = |login: &crate::sql::Login| {
        format!("CREATE USER {}@'%' IDENTIFIED BY '{}';\n", login.user, login.password)
    };
    // `id` is the client's own number and may come twice: that is what the client looks for.
    let mut sql = String::from(
        "CREATE DATABASE app;\n\
         CREATE TABLE app.t (pk BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
         id BIGINT NOT NULL, note VARCHAR(100) NOT NULL DEFAULT '', KEY (id)) ENGINE=InnoDB;\n\
         FLUSH PRIVILEGES;\n",
    );
    for (login, rights) in [
        (monitor, "SLAVE MONITOR, BINLOG MONITOR ON *.*"),
        (
            agent,
            "SLAVE MONITOR, BINLOG MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, \
             READ_ONLY ADMIN, CONNECTION ADMIN, BINLOG ADMIN, PROCESS, RELOAD ON *.*",
        ),
        (replication, "REPLICATION SLAVE ON *.*"),
        (app, "SELECT, INSERT, UPDATE, DELETE, LOCK TABLES ON app.*"),
    ] {
        sql.push_str(&create(login));
        sql.push_str(&format!("GRANT {rights} TO {}@'%';\n", login.user));
    }
    sql
}
