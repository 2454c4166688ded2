//! New files into a folder: all of them, or none. They are written and tried in a folder of their
//! own beside their places, then moved in; what they replace is kept until the last one is there.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Refused;

/// A folder that is gone when this is.
struct Staging(PathBuf);

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go; nobody reads it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cannot(doing: &str, path: &Path, error: &std::io::Error) -> Refused {
    let shown = path.display();
    Refused::one(format!("cannot {doing} {shown}: {error}; check the folder and its permissions"))
}

/// Writes the files (name, text) into `out`. `tried` looks at them before they are moved in.
pub(super) fn all_or_none(
    out: &Path,
    pages: &[(PathBuf, String)],
    force: bool,
    tried: impl Fn(&Path) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let odd = pages.iter().map(|(name, _)| out.join(name)).find(|path| {
        path.symlink_metadata().is_ok_and(|facts| !facts.is_file() && !facts.is_symlink())
    });
    if let Some(path) = odd {
        return Err(Refused::one(format!("{} is no file; move it away", path.display())));
    }
    let there: Vec<String> = pages
        .iter()
        .map(|(name, _)| out.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("{} exists; move it away, or use --force", path.display()))
        .collect();
    if !force && !there.is_empty() {
        return Err(Refused { lines: there });
    }
    let made = !out.exists();
    fs::create_dir_all(out).map_err(|error| cannot("make the folder", out, &error))?;
    let done = stage(out, pages).and_then(|staging| {
        tried(&staging.0)?;
        move_in(&staging.0, out, pages)
    });
    if done.is_err() && made {
        // Only if it is empty, as it was found: not there.
        let _ = fs::remove_dir(out);
    }
    done
}

fn stage(out: &Path, pages: &[(PathBuf, String)]) -> Result<Staging, Refused> {
    let folder = out.join(format!(".mmm-import.{}", std::process::id()));
    let mut builder = DirBuilder::new();
    builder.mode(0o700).create(&folder).map_err(|error| cannot("make", &folder, &error))?;
    let staging = Staging(folder);
    for (name, text) in pages {
        let path = staging.0.join(name);
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).and_then(
                |mut file| {
                    // Whatever the umask says.
                    file.set_permissions(fs::Permissions::from_mode(0o640))?;
                    file.write_all(text.as_bytes())?;
                    file.sync_all()
                },
            );
        written.map_err(|error| cannot("write", &path, &error))?;
    }
    Ok(staging)
}

fn move_in(staging: &Path, out: &Path, pages: &[(PathBuf, String)]) -> Result<(), Refused> {
    let kept = |name: &Path| staging.join(format!("{}.before", name.display()));
    let mut moved: Vec<&Path> = Vec::new();
    let mut failed = None;
    for (name, _) in pages {
        let target = out.join(name);
        let aside = match fs::rename(&target, kept(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        moved.push(name);
        if let Err(error) = aside.and_then(|()| fs::rename(staging.join(name), &target)) {
            failed = Some(cannot("write", &target, &error));
            break;
        }
    }
    let Some(mut refused) = failed else {
        let synced = fs::File::open(out).and_then(|folder| folder.sync_all());
        return synced.map_err(|error| cannot("sync", out, &error));
    };
    for name in moved {
        let target = out.join(name);
        let back = if kept(name).exists() {
            fs::rename(kept(name), &target)
        } else if staging.join(name).exists() {
            Ok(())
        } else {
            fs::remove_file(&target)
        };
        if let Err(error) = back {
            let line = format!("cannot undo {}: {error}; check this file", target.display());
            refused.lines.push(line);
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn when_one_file_fails_everything_is_as_it_was() {
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join("a.toml"), "mine").unwrap();
        let pages: Vec<(PathBuf, String)> =
            ["a.toml", "b.toml", "c.toml"].map(|name| (name.into(), "new".to_owned())).into();
        let lose_the_last = |staging: &Path| {
            fs::remove_file(staging.join("c.toml")).unwrap();
            Ok(())
        };
        let refused = all_or_none(out.path(), &pages, true, lose_the_last).unwrap_err();
        assert!(refused.to_string().contains("cannot write"), "{refused}");
        assert_eq!(names(out.path()), ["a.toml"]);
        assert_eq!(fs::read_to_string(out.path().join("a.toml")).unwrap(), "mine");
        all_or_none(out.path(), &pages, true, |_| Ok(())).unwrap();
        assert_eq!(names(out.path()), ["a.toml", "b.toml", "c.toml"]);
        assert_eq!(fs::read_to_string(out.path().join("a.toml")).unwrap(), "new");
    }
}
