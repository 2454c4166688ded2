//! `tui.toml`: the clusters that one person looks after, by name. Read by both programs for
//! `@NAME`, and by the console for its picker. Nothing here is ever written.

use std::path::{Path, PathBuf};

use mmm_proto::ClusterName;
use serde::Deserialize;
use toml::Spanned;

use super::target::{Target, TargetArgs};
use crate::app::clusters::{Accent, Cluster};

/// A label is one word in the header.
const LABEL_MAX: usize = 12;

/// For everybody on this machine; a person's own file replaces it.
const SYSTEM: &str = "/etc/mmm/tui.toml";

/// One cluster and the way to its monitor.
#[derive(Debug, Clone)]
pub struct Entry {
    pub shown: Cluster,
    args: TargetArgs,
}

impl Entry {
    /// The monitor of this cluster.
    ///
    /// # Errors
    /// Names the cluster and what cannot be meant.
    pub fn target(&self) -> Result<Target, String> {
        let target = self.args.target(None);
        target.map_err(|why| format!("cluster {} of tui.toml: {why}", self.shown.name))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    cluster: Vec<Written>,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    address: Option<String>,
    socket: Option<PathBuf>,
    ssh: Option<String>,
    #[serde(default)]
    ssh_options: Vec<String>,
    ssh_command: Option<String>,
    cluster_key_file: Option<PathBuf>,
    #[serde(default)]
    label: String,
    accent: Option<Spanned<String>>,
}

/// The clusters of the person's own file, else of the machine's; none when there is neither.
///
/// # Errors
/// Names file, line and remedy.
pub fn read() -> Result<Vec<Entry>, String> {
    for file in own().into_iter().chain([PathBuf::from(SYSTEM)]) {
        match std::fs::read_to_string(&file) {
            Ok(text) => return parse(&file, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let file = file.display();
                return Err(format!("cannot read {file}: {error}; make it readable or remove it"));
            }
        }
    }
    Ok(Vec::new())
}

/// Where a person's own file is.
fn own() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let above = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(above.join("mmm/tui.toml"))
}

fn parse(file: &Path, text: &str) -> Result<Vec<Entry>, String> {
    let bad = |at: usize, why: &str| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        format!("{}, line {line}: {why}", file.display())
    };
    let found: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        bad(at, &format!("{}; docs/console.md shows what may stand there", error.message()))
    })?;
    let mut all: Vec<Entry> = Vec::new();
    for written in found.cluster {
        let at = written.name.span().start;
        let name = written.name.as_ref().clone();
        if let Err(error) = ClusterName::parse(&name) {
            return Err(bad(at, &error.to_string()));
        }
        if all.iter().any(|entry| entry.shown.name == name) {
            return Err(bad(at, &format!("{name} is there twice: give each cluster its own name")));
        }
        all.push(entry(file, name, written).map_err(|(span, why)| bad(span.unwrap_or(at), &why))?);
    }
    Ok(all)
}

/// One cluster, or what is wrong with it and where, if not at its name.
fn entry(file: &Path, name: String, written: Written) -> Result<Entry, (Option<usize>, String)> {
    let ways = [written.address.is_some(), written.socket.is_some(), written.ssh.is_some()];
    if ways.iter().filter(|way| **way).count() != 1 {
        let why = format!("{name} needs one of address, socket and ssh, and no second");
        return Err((None, why));
    }
    if written.ssh.is_none() && (written.ssh_command.is_some() || !written.ssh_options.is_empty()) {
        return Err((None, format!("{name} has no ssh: remove ssh_options and ssh_command")));
    }
    let odd = |c: char| c.is_control();
    if written.label.chars().count() > LABEL_MAX || written.label.contains(odd) {
        return Err((
            None,
            format!("the label of {name} is longer than {LABEL_MAX} letters or odd"),
        ));
    }
    let accent = match &written.accent {
        None => None,
        Some(word) => Some(Accent::parse(word.as_ref()).ok_or_else(|| {
            let why = format!("accent {:?} is none of {}", word.as_ref(), Accent::words());
            (Some(word.span().start), why)
        })?),
    };
    let whereto = match (&written.address, &written.socket, &written.ssh) {
        (Some(address), ..) => address.clone(),
        (_, Some(socket), _) => socket.display().to_string(),
        (.., ssh) => format!("ssh {}", ssh.as_deref().unwrap_or_default()),
    };
    let beside = |path: PathBuf| file.parent().unwrap_or(Path::new(".")).join(path);
    let args = TargetArgs {
        config: None,
        socket: written.socket.map(beside),
        connect: written.address,
        cluster_key_file: written.cluster_key_file.map(beside),
        ssh: written.ssh,
        ssh_option: written.ssh_options,
        ssh_command: written.ssh_command,
    };
    let entry = Entry {
        shown: Cluster { name, label: written.label, accent, whereto, off: String::new() },
        args,
    };
    // What only the way's own rules know, while the line is known.
    if entry.args.ssh.is_some() {
        entry.args.target(None).map_err(|why| (None, why))?;
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry>, String> {
        parse(Path::new("/x/tui.toml"), text)
    }

    #[test]
    fn each_cluster_has_a_name_and_one_way() {
        let all = read(
            "[[cluster]]\nname = \"shop\"\nssh = \"ops@mon1\"\nlabel = \"PROD\"\naccent = \"red\"\n\
             [[cluster]]\nname = \"blog\"\naddress = \"mon2:9988\"\n\
             [[cluster]]\nname = \"here\"\nsocket = \"m.sock\"\n",
        )
        .unwrap();
        let told: Vec<String> = all
            .iter()
            .map(|entry| format!("{} {}", entry.shown.name, entry.target().unwrap().label()))
            .collect();
        assert_eq!(told, ["shop ops@mon1 through ssh", "blog mon2:9988", "here /x/m.sock"]);
        assert_eq!(all[0].shown.accent, Accent::parse("red"));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn the_example_of_the_docs_can_be_used() {
        let page = include_str!("../../../../docs/console.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let all = read(example.unwrap()).unwrap();
        let names: Vec<&str> = all.iter().map(|entry| entry.shown.name.as_str()).collect();
        assert_eq!(names, ["shop", "blog", "staging"]);
    }

    #[test]
    fn mistakes_are_told_with_file_line_and_remedy() {
        for (text, line, wants) in [
            ("[[cluster]]\nname = \"a\"\n", 2, "needs one of address, socket and ssh"),
            ("[[cluster]]\nname = \"a\"\nssh = \"h\"\nsocket = \"/s\"\n", 2, "and no second"),
            ("[[cluster]]\nname = \"a b\"\nssh = \"h\"\n", 2, "is not a cluster name"),
            ("\n[[cluster]]\nname = \"a\"\nssh = \"-oX\"\n", 3, "write [USER@]HOST"),
            ("[[cluster]]\nname = \"a\"\nsokcet = \"/s\"\n", 3, "unknown field `sokcet`"),
            ("[[cluster]]\nname = \"a\"\nsocket = 3\n", 3, "invalid type"),
            ("[[cluster]\nname = 1", 1, "docs/console.md"),
            (
                "[[cluster]]\nname = \"a\"\nssh = \"h\"\n[[cluster]]\nname = \"a\"\nssh = \"h\"\n",
                5,
                "a is there twice",
            ),
            (
                "[[cluster]]\nname = \"a\"\nssh = \"h\"\naccent = \"pink\"\n",
                4,
                "accent \"pink\" is none of red",
            ),
            (
                "[[cluster]]\nname = \"a\"\nsocket = \"/s\"\nssh_command = \"x\"\n",
                2,
                "remove ssh_options and ssh_command",
            ),
        ] {
            let told = read(text).unwrap_err();
            let place = format!("/x/tui.toml, line {line}: ");
            assert!(told.starts_with(&place) && told.contains(wants), "{text}: {told}");
        }
    }
}
