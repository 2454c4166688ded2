//! What both sides of a challenge say: the text that is signed with the cluster key. The signing
//! itself is the shells' work.
//!
//! Each side names itself and signs BOTH nonces, so an answer cannot be replayed, nor reflected to
//! the side that asked.

use crate::hello::{Hello, Program};

/// The text that `speaker` signs to answer the other side's `their_nonce`.
pub fn challenge(cluster: &str, speaker: &str, their_nonce: &str, own_nonce: &str) -> String {
    format!("mmm-1 {cluster} {speaker} {their_nonce} {own_nonce}")
}

/// How a side names itself there when it talks to a program of that kind. Two agents are of one
/// kind: without their hosts' names, what an agent signs on one connection would open another.
pub fn speaker(hello: &Hello, other: Program) -> String {
    let word = hello.program.word();
    match &hello.host {
        Some(host) if hello.program == other => format!("{word} {host}"),
        _ => word.to_owned(),
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a hexadecimal text; none if it is not one.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{ClusterName, HostName};

    #[test]
    fn the_two_sides_sign_different_texts() {
        let a = challenge("c", "monitor", "n1", "n2");
        let b = challenge("c", "agent", "n2", "n1");
        assert_ne!(a, b);
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("123"), None);
    }

    #[test]
    fn two_agents_sign_with_their_hosts_names() {
        let of = |host: &str| {
            let mut hello = Hello::new(Program::Agent, ClusterName::parse("c").unwrap());
            hello.host = Some(HostName::parse(host).unwrap());
            hello
        };
        assert_eq!(speaker(&of("db1"), Program::Agent), "agent db1");
        assert_ne!(speaker(&of("db1"), Program::Agent), speaker(&of("db2"), Program::Agent));
        assert_eq!(speaker(&of("db1"), Program::Monitor), "agent");
    }
}
