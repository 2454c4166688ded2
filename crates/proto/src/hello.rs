//! The first line each way on every connection: who speaks, for which cluster, in which version.

use serde::{Deserialize, Serialize};

use crate::line::Message;
use crate::name::{ClusterName, HostName};
use crate::{PROTOCOL, PROTOCOL_OLDEST};

/// What a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    Monitor,
    Agent,
    Console,
}

impl Program {
    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Agent => "agent",
            Self::Console => "console",
        }
    }
}

/// The first lines of a connection, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum First {
    Hello(Hello),
    /// The answer to the other side's nonce, when a cluster key is configured (see `auth`).
    Proof {
        proof: String,
    },
    /// Why this connection ends here.
    Error {
        why: String,
    },
}

impl Message for First {
    const KINDS: &'static [&'static str] = &["hello", "proof", "error"];
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The newest wire version that the speaker knows.
    pub protocol: u32,
    /// The oldest that it still understands.
    pub oldest: u32,
    pub program: Program,
    pub cluster: ClusterName,
    /// The host, when the speaker is an agent; whom it wants to reach, when a monitor dials an
    /// agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The version of the program, for people.
    pub version: String,
    /// 32 random bytes in hexadecimal when the speaker has a cluster key: the other side must prove
    /// that it knows the key as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Monitor to console: who the peer is taken for and whether it may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub you: Option<You>,
}

/// Who the monitor takes a console for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct You {
    /// Such as `root` or `anna`.
    pub name: String,
    pub may_act: bool,
    /// Why it may not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why_not: String,
}

impl Hello {
    /// A hello of this version.
    pub fn new(program: Program, cluster: ClusterName) -> Self {
        Self {
            protocol: PROTOCOL,
            oldest: PROTOCOL_OLDEST,
            program,
            cluster,
            host: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nonce: None,
            you: None,
        }
    }

    /// Whether the two can talk; the error is a sentence that says what to change.
    ///
    /// A console and a monitor whose wire versions do not overlap can: the console looks, as far as
    /// it understands what comes, and does not act (see [`Hello::only_looks`]). An operator must
    /// not lose sight of a cluster because one of the two was upgraded.
    ///
    /// # Errors
    /// When the wire versions do not overlap, the clusters differ, or the other side is not
    /// `expected`.
    pub fn meets(&self, theirs: &Self, expected: Program) -> Result<(), String> {
        if !self.looked_at(theirs) {
            self.speaks_with(theirs)?;
        }
        if theirs.program != expected {
            return Err(format!(
                "expected the {}, the {} answered: check address and port",
                expected.word(),
                theirs.program.word()
            ));
        }
        if theirs.cluster != self.cluster {
            return Err(format!(
                "this is cluster {:?}, the {} belongs to cluster {:?}: check `cluster` in both configurations",
                self.cluster,
                theirs.program.word(),
                theirs.cluster,
            ));
        }
        Ok(())
    }

    /// Why a console may look but not act: its wire versions and the monitor's do not overlap. None
    /// when they do. Both sides come to the same sentence.
    pub fn only_looks(&self, theirs: &Self) -> Option<String> {
        self.speaks_with(theirs).err()?;
        let (monitor, console) =
            if self.program == Program::Monitor { (self, theirs) } else { (theirs, self) };
        let older = if monitor.protocol < console.protocol { "monitor" } else { "console" };
        Some(format!(
            "monitor speaks {}, this console {}: looking works, acting does not (upgrade the {older})",
            monitor.protocol, console.protocol
        ))
    }

    /// Whether the two are a monitor and its console.
    fn looked_at(&self, theirs: &Self) -> bool {
        use Program::{Console, Monitor};
        matches!((self.program, theirs.program), (Monitor, Console) | (Console, Monitor))
    }

    fn speaks_with(&self, theirs: &Self) -> Result<(), String> {
        if theirs.protocol < self.oldest {
            return Err(format!(
                "the {} (version {}) speaks wire version {}, this {} needs at least {}: upgrade the {}",
                theirs.program.word(),
                theirs.version,
                theirs.protocol,
                self.program.word(),
                self.oldest,
                theirs.program.word(),
            ));
        }
        if self.protocol < theirs.oldest {
            return Err(format!(
                "the {} (version {}) needs wire version {} or newer, this {} speaks {}: upgrade the {}",
                theirs.program.word(),
                theirs.version,
                theirs.oldest,
                self.program.word(),
                self.protocol,
                self.program.word(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(program: Program, cluster: &str) -> Hello {
        Hello::new(program, ClusterName::parse(cluster).unwrap())
    }

    #[test]
    fn peers_that_cannot_talk_part_with_the_remedy() {
        let ours = hello(Program::Monitor, "shop");
        assert_eq!(ours.meets(&hello(Program::Agent, "shop"), Program::Agent), Ok(()));
        let mut newer = hello(Program::Agent, "shop");
        (newer.protocol, newer.oldest) = (9, 8);
        let why = ours.meets(&newer, Program::Agent).unwrap_err();
        assert!(why.ends_with("upgrade the monitor"), "{why}");
        let mut older = hello(Program::Agent, "shop");
        (older.protocol, older.oldest) = (0, 0);
        let why = ours.meets(&older, Program::Agent).unwrap_err();
        assert!(why.ends_with("upgrade the agent"), "{why}");
        let why = ours.meets(&hello(Program::Agent, "blog"), Program::Agent).unwrap_err();
        assert!(why.contains("check `cluster`"), "{why}");
        let why = ours.meets(&hello(Program::Monitor, "shop"), Program::Agent).unwrap_err();
        assert!(why.contains("check address and port"), "{why}");
    }

    #[test]
    fn a_console_of_another_wire_version_looks_and_does_not_act() {
        let (monitor, mut console) =
            (hello(Program::Monitor, "shop"), hello(Program::Console, "shop"));
        assert_eq!(monitor.only_looks(&console), None);
        (console.protocol, console.oldest) = (3, 3);
        let why = "monitor speaks 1, this console 3: looking works, acting does not \
                   (upgrade the monitor)";
        for (ours, theirs) in [(&monitor, &console), (&console, &monitor)] {
            assert_eq!(ours.meets(theirs, theirs.program), Ok(()));
            assert_eq!(ours.only_looks(theirs).as_deref(), Some(why));
        }
        let mut blog = hello(Program::Monitor, "blog");
        (blog.protocol, blog.oldest) = (9, 9);
        assert!(console.meets(&blog, Program::Monitor).unwrap_err().contains("cluster"));
        let why = console.only_looks(&blog).unwrap();
        assert!(why.ends_with("(upgrade the console)"), "{why}");
    }
}
