//! Mistakes in configuration: where, which key, what is wrong, what to do. No rule is checked here,
//! and no secret may be handed in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where in the files something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the program was told to open it.
    pub file: Arc<Path>,
    /// The line, from 1. None: the file as a whole.
    pub line: Option<u32>,
    /// The column in characters, from 1; given for errors of syntax only.
    pub column: Option<u32>,
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self { file: Arc::from(path), line: None, column: None }
    }

    pub(super) fn line(file: &Arc<Path>, line: u32) -> Self {
        Self { file: Arc::clone(file), line: Some(line), column: None }
    }

    /// Relative paths in a file are relative to that file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or_else(|| Path::new("")).join(path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        Ok(())
    }
}

/// One mistake, or one warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The key, such as `host.db1.mode`; empty when it is about a file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// One line: `mmm_common.toml:12: host.db1.mode: "mastr" is not a mode; write "master" or "slave"`.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// Every mistake of a configuration, in the order of files and lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What must be corrected.
    pub mistakes: Vec<Mistake>,
    /// What is worth a look besides.
    pub warnings: Vec<Mistake>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.mistakes.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// Puts notes in the order of `files`, then of lines, and drops repetitions: a wrong template value
/// is found once for each section that it fills.
pub(super) fn tidy(mut notes: Vec<Mistake>, files: &[Arc<Path>]) -> Vec<Mistake> {
    let rank = |note: &Mistake| files.iter().position(|file| *file == note.place.file);
    notes.sort_by_key(|note| (rank(note), note.place.line, note.place.column));
    let mut kept: Vec<Mistake> = Vec::with_capacity(notes.len());
    for note in notes {
        if !kept.contains(&note) {
            kept.push(note);
        }
    }
    kept
}
