//! The README's table of keys is made from the console's own: `MMM_WRITE_DOCS=1` writes it.

use std::path::Path;

use mmm_tui::app::keys::{Group, TABLE};

const BEGIN: &str = "<!-- keys: written from crates/tui/src/app/keys.rs -->\n";
const END: &str = "<!-- keys end -->\n";

/// The table as it is written for people.
fn table() -> String {
    let mut text = String::from("| key | does |\n| --- | --- |\n");
    for row in TABLE {
        let keys: Vec<String> = row.keys.iter().map(|key| format!("`{}`", key.name())).collect();
        let demo = if row.group == Group::Demo { "in a demo only: " } else { "" };
        text.push_str(&format!("| {} | {demo}{} |\n", keys.join(" "), row.help));
    }
    text
}

#[test]
fn the_readme_has_the_keys_that_there_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let from = text.find(BEGIN).expect("the mark before the keys") + BEGIN.len();
    let to = text.find(END).expect("the mark behind the keys");
    if text[from..to] == table() {
        return;
    }
    if std::env::var_os("MMM_WRITE_DOCS").is_some() {
        std::fs::write(&file, format!("{}{}{}", &text[..from], table(), &text[to..])).unwrap();
        return;
    }
    panic!("the table differs; MMM_WRITE_DOCS=1 writes it:\n{}", table());
}
