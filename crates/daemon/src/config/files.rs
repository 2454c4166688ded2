//! Opening configuration files: limits, circles of includes, and which form a file has. What a file
//! says is read by `toml_file` and `legacy`.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmm_proto::conf;
use zeroize::Zeroizing;

use super::report::{Mistake, Place};
use super::tree::{Form, Tree};

const FILE_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 64;

/// What the files say.
#[derive(Default)]
pub(super) struct Files {
    pub(super) tree: Tree,
    /// Every file that was opened, in the order of reading.
    pub(super) files: Vec<Arc<Path>>,
    /// The files that the first one includes itself, in its order.
    pub(super) included: Vec<Arc<Path>>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    /// A file is missing from the tree, because it cannot be read or understood.
    pub(super) incomplete: bool,
}

/// Files being read, each within the one before it: its real path for telling a circle, and how it
/// was named.
pub(super) type Chain = Vec<(PathBuf, Arc<Path>)>;

/// A file's content; it may hold secrets and is wiped.
pub(super) struct Opened {
    pub(super) file: Arc<Path>,
    /// Where it was asked for; None: on the command line.
    pub(super) asked: Option<Place>,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
}

/// Reads a file and all that it includes. Its ending says which form it has, and what it includes
/// has the same: what a mixture would mean (which value wins, which defaults count) nobody could
/// tell by looking at it.
pub(super) fn read(path: &Path) -> Files {
    let mut files = Files::default();
    let form = if conf::is_conf(path) { Form::Conf } else { Form::Toml };
    files.tree.form = form;
    let tree = files.file(path, None, &mut Vec::new());
    files.tree = tree;
    files.tree.form = form;
    files
}

impl Files {
    pub(super) fn mistake(
        &mut self,
        place: Place,
        key: &str,
        what: String,
        remedy: impl Into<String>,
    ) {
        self.mistakes.push(Mistake { place, key: key.to_owned(), what, remedy: remedy.into() });
    }

    pub(super) fn warning(
        &mut self,
        place: Place,
        key: &str,
        what: String,
        remedy: impl Into<String>,
    ) {
        self.warnings.push(Mistake { place, key: key.to_owned(), what, remedy: remedy.into() });
    }

    /// Records that a whole file is missing from the tree.
    pub(super) fn unread(
        &mut self,
        asked: Option<&Place>,
        path: &Path,
        what: String,
        remedy: impl Into<String>,
    ) {
        let place = asked.cloned().unwrap_or_else(|| Place::file(path));
        self.mistake(place, if asked.is_some() { "include" } else { "" }, what, remedy);
        self.incomplete = true;
    }

    /// One file with its includes.
    pub(super) fn file(&mut self, path: &Path, asked: Option<&Place>, chain: &mut Chain) -> Tree {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(at) = chain.iter().position(|(seen, _)| *seen == real) {
            let mut names: Vec<_> =
                chain[at..].iter().map(|(_, name)| name.display().to_string()).collect();
            names.push(path.display().to_string());
            let what = format!("the files include each other: {}", names.join(" -> "));
            self.unread(asked, path, what, "remove one of these includes");
            return Tree::default();
        }
        if self.files.len() >= FILES_MAX {
            let what = format!("more than {FILES_MAX} files are included");
            self.unread(asked, path, what, "include fewer files");
            return Tree::default();
        }
        let (bytes, mode) = match open(path, self.tree.form) {
            Ok(opened) => opened,
            Err((what, remedy)) => {
                self.unread(asked, path, what, remedy);
                return Tree::default();
            }
        };
        let file: Arc<Path> = Arc::from(path);
        if !self.files.contains(&file) {
            self.files.push(Arc::clone(&file));
        }
        if chain.len() == 1 && !self.included.contains(&file) {
            self.included.push(Arc::clone(&file));
        }
        chain.push((real, Arc::clone(&file)));
        let opened = Opened { file, asked: asked.cloned(), bytes, mode };
        let tree = match self.tree.form {
            Form::Toml => self.toml(&opened, chain),
            Form::Conf => self.conf(&opened, chain),
        };
        chain.pop();
        tree
    }
}

/// What a file holds, and its mode.
type Content = (Zeroizing<Vec<u8>>, u32);

/// The content of a file, or what is wrong and what to do.
fn open(path: &Path, form: Form) -> Result<Content, (String, String)> {
    let shown = path.display();
    let cannot = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "create it, or name the right file",
            std::io::ErrorKind::PermissionDenied => {
                "run as a user who may read it, such as a member of its group"
            }
            _ => "check the file and its file system",
        };
        (format!("cannot read {shown}: {error}"), remedy.to_owned())
    };
    // Asked before opening: opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        let remedy = match form {
            Form::Toml => "name a TOML file",
            Form::Conf => "name a configuration file",
        };
        return Err((format!("{shown} is not a regular file"), remedy.to_owned()));
    }
    let file = File::open(path).map_err(cannot)?;
    let facts = file.metadata().map_err(cannot)?;
    let size = facts.len().min(FILE_MAX);
    // Full size at once, so that growing leaves no copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size + 2).unwrap_or(0)));
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_MAX {
        let what = format!("{shown} has more than {FILE_MAX} bytes");
        return Err((what, "name a configuration file".to_owned()));
    }
    Ok((bytes, facts.permissions().mode()))
}
