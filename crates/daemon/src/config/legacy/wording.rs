//! Messages are written for TOML files. For the original's files the same messages are put into its
//! syntax here, so that each rule and its remedy exists once.

use super::super::keys::Kind;

/// A remedy as a reader of a `.conf` file needs it: `<host db1>` for `[host.db1]`, `key value` for
/// `key = "value"`.
pub(in crate::config) fn in_conf_words(text: &str) -> String {
    let mut said = with_conf_tags(text);
    for (toml, conf) in [
        ("at the top of the file, before the first [section]", "outside of all sections"),
        (", without quotes", ""),
        (" in double quotes", ""),
        ("write true or false", "write 1 or 0"),
        (" = true", " 1"),
        (" = false", " 0"),
        (" = ", " "),
        ("\"", ""),
    ] {
        said = said.replace(toml, conf);
    }
    said
}

/// Any text with `<host db1>` for `[host.db1]`. Quotes stay: what they quote is a value as written.
pub(in crate::config) fn with_conf_tags(text: &str) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, from) = rest.split_at(at);
        said.push_str(before);
        let end = from.find(']').map_or(from.len(), |end| end + 1);
        let (bracket, after) = from.split_at(end);
        said.push_str(&bracketed(bracket));
        rest = after;
    }
    said.push_str(rest);
    said
}

/// What stands between brackets: a section, a list, or something else.
fn bracketed(text: &str) -> String {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let (word, name) = inner.split_once('.').unwrap_or((inner, ""));
    match Kind::parse(word) {
        Some(_) if name.is_empty() => format!("<{word}>"),
        Some(_) => format!("<{word} {name}>"),
        None if inner.starts_with('"') => inner.to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_speak_the_form_of_the_file() {
        for (toml, conf) in [
            ("write peer = \"db1\" in [host.db2]", "write peer db1 in <host db2>"),
            ("write hosts = [\"db1\", \"db2\"]", "write hosts db1, db2"),
            (
                "it belongs at the top of the file, before the first [section]",
                "it belongs outside of all sections",
            ),
            ("write true or false, without quotes", "write 1 or 0"),
            ("the section [monitor] is missing", "the section <monitor> is missing"),
            ("write it in [check.rep_backlog]", "write it in <check rep_backlog>"),
            (
                "write agent_password = \"...\" or agent_password_file = \"FILE\" here",
                "write agent_password ... or agent_password_file FILE here",
            ),
        ] {
            assert_eq!(in_conf_words(toml), conf);
        }
    }
}
