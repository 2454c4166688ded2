//! The original's files translated into TOML that means the same: which files there are, what
//! is checked before and after. [`import`] writes all files or none. How a file reads is in `page`,
//! what is to be reviewed in `review`, the disk in `write`.

mod page;
mod review;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Files};
use super::model::Config;
use super::report::Mistake;
use super::{Program, legacy, load};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Each file read, and the file written for it.
    pub written: Vec<(PathBuf, PathBuf)>,
    /// What a person must look at, in sentences.
    pub review: Vec<String>,
}

/// Why nothing was written: one line for each reason, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub lines: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Refused {}

impl Refused {
    fn one(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()] }
    }
}

/// A file of the original's that a program reads.
struct Main {
    path: Arc<Path>,
    /// None: a common file that nothing here includes.
    program: Option<Program>,
    config: Option<Config>,
}

/// A file to translate, with what it includes read into its tree.
struct Source {
    path: Arc<Path>,
    files: Files,
}

impl Source {
    /// The name of the file that is written for it.
    fn target(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        Path::new(name).with_extension("toml")
    }
}

/// Everything that is known when the files are written.
struct Work {
    mains: Vec<Main>,
    sources: Vec<Source>,
    warnings: Vec<Mistake>,
    /// Other files in the folder, which are left out.
    left_out: Vec<String>,
}

impl Work {
    fn source(&self, path: &Path) -> Option<&Source> {
        self.sources.iter().find(|source| *source.path == *path)
    }

    /// What the programs read themselves, with its tree.
    fn read_by(&self, program: Option<Program>) -> impl Iterator<Item = &Source> {
        let mains = self.mains.iter();
        mains.filter(move |main| main.program == program).filter_map(|main| self.source(&main.path))
    }

    /// The file that all programs' files include, if there is one: what is for all goes there.
    fn shared(&self) -> Option<&Source> {
        let mains: Vec<_> = self.mains.iter().filter_map(|main| self.source(&main.path)).collect();
        let first = mains.first()?;
        let shared = first.files.included.iter().find(|file| {
            mains.iter().all(|main| main.files.included.contains(file))
                && self.mains.iter().all(|main| main.path != **file)
        })?;
        self.source(shared)
    }
}

/// Translates the original's files in `dir` into TOML files in `out`, which is made if it is not
/// there. Existing files are replaced only with `force`.
///
/// # Errors
/// Every mistake in the files with its place and remedy, or what stands in the way of writing.
/// Nothing is written then.
pub fn import(dir: &Path, out: &Path, force: bool) -> Result<Imported, Refused> {
    // Relative paths in the files must mean the same from the new folder.
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let mut work = find(&dir)?;
    check(&mut work)?;
    read(&mut work)?;
    let mut pages = Vec::new();
    for source in &work.sources {
        pages.push((source.target(), page::render(&work, source)));
    }
    let same = |folder: &Path| verify(&work, folder);
    write::all_or_none(out, &pages, force, same)?;
    let written = work
        .sources
        .iter()
        .map(|source| (source.path.to_path_buf(), out.join(source.target())))
        .collect();
    Ok(Imported { written, review: review::review(&work, out) })
}

/// Whether the file is `STEM.conf` or `STEM_CLUSTER.conf`.
fn is_of(name: &str, stem: &str) -> bool {
    let rest = name.strip_suffix(".conf").and_then(|name| name.strip_prefix(stem));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// The original's files in a folder.
fn find(dir: &Path) -> Result<Work, Refused> {
    let cannot = |error: std::io::Error| {
        Refused::one(format!(
            "cannot read {}: {error}; name the folder of the files",
            dir.display()
        ))
    };
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".conf") {
            names.push(name);
        }
    }
    names.sort();
    let mut work = Work { mains: vec![], sources: vec![], warnings: vec![], left_out: Vec::new() };
    let mut commons = Vec::new();
    for name in names {
        let program = if is_of(&name, "mmm_agent") {
            Some(Program::Agent)
        } else if is_of(&name, "mmm_mon") {
            Some(Program::Monitor)
        } else {
            if is_of(&name, "mmm_common") {
                commons.push(dir.join(&name));
            } else {
                work.left_out.push(name);
            }
            continue;
        };
        work.mains.push(Main { path: Arc::from(dir.join(name)), program, config: None });
    }
    if work.mains.is_empty() && commons.is_empty() {
        return Err(Refused::one(format!(
            "{}: there is no mmm_common.conf, mmm_agent.conf or mmm_mon.conf; name the folder of \
             the original's files",
            dir.display()
        )));
    }
    for common in commons {
        let included = work
            .mains
            .iter()
            .any(|main| files::read(&main.path).files.iter().any(|file| **file == *common));
        if !included {
            work.mains.push(Main { path: Arc::from(common), program: None, config: None });
        }
    }
    Ok(work)
}

/// Loads every file as its program would.
fn check(work: &mut Work) -> Result<(), Refused> {
    let mut lines: Vec<String> = Vec::new();
    let mut note = |mistake: &Mistake| {
        let line = mistake.to_string();
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    for main in &mut work.mains {
        let warnings = match main.program.map(|program| load(&main.path, program)) {
            None => {
                let read = files::read(&main.path);
                read.mistakes.iter().for_each(&mut note);
                read.warnings
            }
            Some(Ok(loaded)) => {
                main.config = Some(loaded.config);
                loaded.warnings
            }
            Some(Err(report)) => {
                report.mistakes.iter().for_each(&mut note);
                continue;
            }
        };
        for warning in warnings {
            if !work.warnings.contains(&warning) {
                work.warnings.push(warning);
            }
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Refused { lines }) }
}

/// Reads every file that takes part by itself.
fn read(work: &mut Work) -> Result<(), Refused> {
    let mut paths: Vec<Arc<Path>> = Vec::new();
    for main in &work.mains {
        for file in files::read(&main.path).files {
            if !paths.contains(&file) {
                paths.push(file);
            }
        }
    }
    for path in paths {
        let mut files = files::read(&path);
        legacy::finish(&mut files.tree);
        let source = Source { path, files };
        if let Some(other) = work.sources.iter().find(|other| other.target() == source.target()) {
            return Err(Refused::one(format!(
                "{} and {} would both become {}; rename one of them",
                other.path.display(),
                source.path.display(),
                source.target().display()
            )));
        }
        work.sources.push(source);
    }
    Ok(())
}

/// Loads what was written, and compares it with what the original's files say.
fn verify(work: &Work, folder: &Path) -> Result<(), Refused> {
    for main in &work.mains {
        let (Some(program), Some(config), Some(source)) =
            (main.program, &main.config, work.source(&main.path))
        else {
            continue;
        };
        let loaded = load(&folder.join(source.target()), program).map_err(|report| Refused {
            lines: report.mistakes.iter().map(|mistake| format!("translated: {mistake}")).collect(),
        })?;
        if !loaded.config.means_same_as(config, program) {
            return Err(Refused::one(format!(
                "{}: the translation would not mean the same; translate it by hand with \
                 config/README.md, and report this",
                main.path.display()
            )));
        }
    }
    Ok(())
}
