//! `mmm-control config import`: runs the `mmm-mond` beside this program, whose rules decide what a
//! configuration may be, and passes on what it says.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::control::{Outcome, exit};

/// How it is typed.
pub const USAGE: &str = "config import DIR --out DIR [--force]";

/// Translates the original's files. `words` are those behind `config`.
pub fn run(words: &[String]) -> Outcome {
    if words.first().is_none_or(|word| word != "import") {
        let given = words.first().map_or("", String::as_str);
        let why = format!("Invalid command 'config {given}': write {USAGE}");
        return Outcome::failure(exit::USAGE, &why);
    }
    let program = mond();
    let output = match Command::new(&program).arg("config-import").args(&words[1..]).output() {
        Ok(output) => output,
        Err(error) => {
            let why = format!(
                "cannot run {}, which knows the rules of the files: {error}; install mmm-mond \
                 beside mmm-control, or run `mmm-mond config-import` where it is",
                program.display()
            );
            return Outcome::failure(exit::REFUSED, &why);
        }
    };
    let text = |bytes: Vec<u8>| {
        let said = String::from_utf8_lossy(&bytes);
        said.replace("mmm-mond config-import", "mmm-control config import")
    };
    let (out, err) = (text(output.stdout), text(output.stderr));
    // Ended by a signal: nothing is known but that it is not done.
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    let code = code.unwrap_or(exit::UNKNOWN);
    let json = if code == exit::DONE { ("text", json!(out)) } else { ("error", json!(err)) };
    Outcome { exit: code, out, err, json }
}

/// The `mmm-mond` beside this program, else the one in the PATH.
fn mond() -> PathBuf {
    let name = PathBuf::from("mmm-mond");
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or(name)
}
