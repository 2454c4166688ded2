//! Configuration: files in, checked and typed values out, or every mistake at once. Nothing here
//! opens a socket, starts a program or logs. [`load`] is the way in, [`describe`] shows what came
//! out.

mod build;
mod checked;
mod describe;
mod files;
mod import;
mod keys;
mod legacy;
mod model;
mod reader;
mod report;
mod secret;
mod toml_file;
mod tree;
mod value;
mod words;

use std::path::{Path, PathBuf};

pub use describe::describe;
pub use import::{Imported, Refused, import};
pub use model::{
    Account, CheckTimes, Checks, Config, FenceEscalation, Host, IsolatedWriter, LogLevel, Monitor,
    Moving, Role,
};
pub use report::{Mistake, Place, Report};
pub use secret::Secret;

use report::tidy;
use tree::Form;

/// Which program reads the files: what must be there differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `mmm-agentd`: needs `this`, its account and the replicas'.
    Agent,
    /// `mmm-mond`: needs `[monitor]` and the monitor's account.
    Monitor,
    /// `mmm-control` and `mmm-tui`: need `[monitor]`. Hosts, roles and checks are not even looked
    /// at, so that a mistake there never locks an operator out.
    Control,
}

/// A configuration and what was noticed while it was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values to use.
    pub config: Config,
    /// What is worth a look, in the order of files and lines.
    pub warnings: Vec<Mistake>,
    /// Every file that was read, the named one first.
    pub files: Vec<PathBuf>,
}

/// Reads a configuration file and all that it includes: TOML, or the original's form when the name
/// ends in `.conf`.
///
/// # Errors Every mistake in all files, each with its place and remedy; never a secret. Rules that
/// look at several keys are left out while a file cannot be read or is not TOML.
pub fn load(path: &Path, program: Program) -> Result<Loaded, Report> {
    let mut read = files::read(path);
    let form = read.tree.form;
    if form == Form::Conf {
        legacy::finish(&mut read.tree);
    }
    let mut reader = reader::Reader::new(&read.tree, path, program);
    reader.known_keys();
    let config = (!read.incomplete).then(|| build::build(&mut reader));
    let in_form = |mut note: Mistake| {
        if form == Form::Conf {
            note.what = legacy::with_conf_tags(&note.what);
            note.remedy = legacy::in_conf_words(&note.remedy);
        }
        note
    };
    let mut mistakes = read.mistakes;
    mistakes.extend(reader.mistakes.into_iter().map(in_form));
    let mut warnings = read.warnings;
    warnings.extend(reader.warnings.into_iter().map(in_form));
    let mistakes = tidy(mistakes, &read.files);
    let warnings = tidy(warnings, &read.files);
    match config {
        Some(config) if mistakes.is_empty() => {
            let files = read.files.iter().map(|file| file.to_path_buf()).collect();
            Ok(Loaded { config, warnings, files })
        }
        _ => Err(Report { mistakes, warnings }),
    }
}
