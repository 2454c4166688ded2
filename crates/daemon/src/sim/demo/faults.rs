//! What can be done to a demo, in words: the list that people are shown, and what their words mean.
//! Pure.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt::Write as _;

use crate::sim::action::{Action, Node, Process};
use crate::sim::text::{host, host_word};

/// What people may type, and what comes of it. Hosts are examples.
pub(super) const LIST: &[(&str, &str)] = &[
    ("kill server writer", "kill -9 of the writer's database server"),
    ("kill server db2", "the same on a host by its name"),
    ("stop server db1", "it hangs: takes connections, answers nothing"),
    ("kill agent db1", "kill -9; the kernel drops its addresses in time"),
    ("stop agent db1", "the agent stands still (SIGSTOP)"),
    ("kill host db1", "the machine loses its power"),
    ("stop host db1", "the machine stands still, as virtual ones do"),
    ("kill monitor", "kill -9; consoles hear nothing any more"),
    ("stop monitor", "it stands still: consoles say that they are old"),
    ("cont monitor", "what was stopped goes on; also server, agent, host"),
    ("start server db1", "what was killed is started; also agent, host ..."),
    ("start all", "all that is dead or stopped is set going; cuts stay"),
    ("cut writer", "the network of the writer's host"),
    ("cut monitor db1", "only the path between these two"),
    ("cut monitor->db1", "one way only"),
    ("delay db1-db2 500ms", "every message takes that much longer"),
    ("drop 30% monitor-db1", "that many messages are lost and sent again"),
    ("network down", "nothing that the monitor pings answers; `network up`"),
    ("heal db1", "its cuts and delays end"),
    ("heal all", "every cut and delay ends"),
    ("lag replica 30s", "it applies everything later; `lag replica 0s`"),
    ("stop io db2", "the receiving thread of replication; `start io db2`"),
    ("stop sql db2", "the applying thread; `start sql db2`"),
    ("break sql db2", "replication stops with an error"),
    ("hold writer 20s", "a statement that holds up a planned move"),
    ("lock writer", "so does a session with table locks; `unlock writer`"),
    ("disk full monitor", "no decision can be kept; `disk ok monitor`"),
    ("fail Open db2", "becoming writable fails there; `works Open db2`"),
    ("slow Freeze writer 3s", "making it read-only takes that long"),
    ("read_only writer on", "an administrator sets read_only by hand"),
    ("write off", "the client stops writing; `write on`"),
    ("calm", "every fault ends, everything that is dead is started"),
    ("put back", "what operators then do: rebuild, set online"),
];

/// The list as text.
pub(super) fn list() -> String {
    let width = LIST.iter().map(|(words, _)| words.len()).max().unwrap_or(0);
    let mut text = String::from(
        "`demo fault WORDS` breaks and mends this cluster. For db1 write any host,\n\
         `writer` for the one that is writer now, `replica` for another. WORDS are:\n",
    );
    for (words, meaning) in LIST {
        let _ = writeln!(text, "  {words:<width$}  {meaning}");
    }
    text
}

/// What the list says of these words, without further words that it suggests; empty when they are
/// not in it.
pub(super) fn meaning(words: &str) -> String {
    let found = LIST.iter().find(|(listed, _)| *listed == words);
    let text = found.map_or("", |(_, meaning)| meaning);
    text.split(';').next().unwrap_or_default().to_owned()
}

/// What words are about: how many hosts there are, and who is what now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    pub(super) hosts: usize,
    pub(super) writer: Option<usize>,
    pub(super) replica: Option<usize>,
}

/// The actions that words mean, in order.
///
/// # Errors
/// A sentence about what is wrong with them.
pub(super) fn read(words: &str, cast: Cast) -> Result<Vec<Action>, String> {
    let words: Vec<String> =
        words.split_whitespace().map(|word| named(word, cast)).collect::<Result<_, _>>()?;
    let line = words.join(" ");
    if line == "start all" {
        return Ok(start_all(cast.hosts));
    }
    let action = Action::parse(&line).map_err(|why| format!("{why}; `demo faults` lists all"))?;
    match action {
        Action::Control(_) | Action::Plan(_) | Action::Apply | Action::Halt => Err(format!(
            "{line:?} is no fault: what an operator does is asked of the monitor, with mmm-control \
             or in the console"
        )),
        action => Ok(vec![action]),
    }
}

/// A word with names instead of parts: `writer->db2` becomes `db1->db2`.
fn named(word: &str, cast: Cast) -> Result<String, String> {
    let one = |part: &str| {
        let found = match part {
            "writer" => cast.writer.ok_or("nobody is writer now: name a host")?,
            "replica" => cast.replica.ok_or("there is no replica now: name a host")?,
            _ => return in_range(part, cast.hosts).map(|()| part.to_owned()),
        };
        Ok(host_word(found).to_owned())
    };
    let both = |from: &str, by: &str, to: &str| Ok(format!("{}{by}{}", one(from)?, one(to)?));
    match (word.split_once("->"), word.split_once('-')) {
        (Some((from, to)), _) => both(from, "->", to),
        (None, Some((from, to))) => both(from, "-", to),
        (None, None) => one(word),
    }
}

fn in_range(word: &str, hosts: usize) -> Result<(), String> {
    match host(word) {
        Ok(index) if index >= hosts => {
            let last = host_word(hosts - 1);
            Err(format!("{word} is no host of this demo; hosts are db1 to {last}"))
        }
        _ => Ok(()),
    }
}

fn start_all(hosts: usize) -> Vec<Action> {
    let of = |host: usize| [Process::Host(host), Process::Agent(host), Process::Server(host)];
    let mut all: Vec<Process> = (0..hosts).flat_map(of).collect();
    all.push(Process::Monitor);
    all.into_iter().flat_map(|process| [Action::Start(process), Action::Cont(process)]).collect()
}

/// The host whose lag somebody set, or all of them when everything was put right.
pub(super) fn lag_of(action: &Action) -> Option<Node> {
    match action {
        Action::Lag(host, _) => Some(Node::Host(*host)),
        Action::Calm => Some(Node::Monitor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAST: Cast = Cast { hosts: 3, writer: Some(1), replica: Some(2) };

    #[test]
    fn everything_in_the_list_can_be_done() {
        for (words, meaning) in LIST {
            let read = read(words, CAST);
            assert!(read.is_ok_and(|actions| !actions.is_empty()), "{words}");
            assert!(!super::meaning(words).is_empty() && !super::meaning(words).contains('`'));
            // What is mentioned beside it in backticks as well.
            for other in meaning.split('`').skip(1).step_by(2).filter(|it| it.contains(' ')) {
                assert!(super::read(other, CAST).is_ok(), "{other}");
            }
        }
        let text = list();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn parts_become_names() {
        let line = |words: &str| read(words, CAST).unwrap()[0].to_string();
        assert_eq!(line("kill server writer"), "kill server db2");
        assert_eq!(line("cut replica->writer"), "cut db3->db2");
        assert_eq!(line("lag replica 5s"), "lag db3 5s");
        assert_eq!(line("cut monitor db1"), "cut monitor-db1");
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_reason() {
        for (words, wants) in [
            ("kill server db4", "db4 is no host of this demo; hosts are db1 to db3"),
            ("cut db1-db7", "db7 is no host of this demo"),
            ("explode db1", "`demo faults` lists all"),
            ("control set_offline db1", "is no fault"),
            ("apply", "asked of the monitor"),
            ("", "no such action"),
        ] {
            let why = read(words, CAST).unwrap_err();
            assert!(why.contains(wants), "{words}: {why}");
        }
        let nobody = Cast { writer: None, ..CAST };
        let why = read("cut writer", nobody).unwrap_err();
        assert!(why.contains("nobody is writer now"), "{why}");
    }
}
