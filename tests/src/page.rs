//! Parts of the docs that programs write: between `<!-- NAME -->` and `<!-- NAME end -->`.
use std::path::Path;

use anyhow::{Context, Result};

/// Puts `text` into the part of that name.
pub fn replace(file: &Path, name: &str, text: &str) -> Result<()> {
    let old = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- {name} end -->"));
    let from = old.find(&begin).with_context(|| format!("{}: no {begin}", file.display()))?;
    let from = from + begin.len();
    let to = old[from..].find(&end).with_context(|| format!("{}: no {end}", file.display()))?;
    let new = format!("{}\n{}\n\n{}", &old[..from], text.trim_end(), &old[from + to..]);
    std::fs::write(file, new).with_context(|| file.display().to_string())
}
