//! Who is at the other end of a connection, by what the kernel says.

use std::ffi::CString;
use std::fmt;
use std::net::SocketAddr;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    Tcp(SocketAddr),
    Unix(UnixPeer),
}

/// A process on this machine, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPeer {
    pub uid: u32,
    pub gid: u32,
    pub pid: Option<i32>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(UnixPeer { uid, pid, .. }) => match pid {
                Some(pid) => write!(f, "process {pid} of uid {uid}"),
                None => write!(f, "a process of uid {uid}"),
            },
        }
    }
}

/// A person at a console: what to call them, and whether they may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Such as `root`, `anna` or `tcp 10.0.0.9`.
    pub name: String,
    pub may_act: bool,
    /// Why they may not; empty when they may.
    pub why_not: String,
}

impl Who {
    /// Someone who may act.
    pub fn acting(name: impl Into<String>) -> Self {
        let name = name.into();
        let (may_act, why_not) = (true, String::new());
        Self { name, may_act, why_not }
    }

    /// Someone who may only look.
    pub fn looking(name: impl Into<String>, why_not: impl Into<String>) -> Self {
        let (name, why_not) = (name.into(), why_not.into());
        Self { name, may_act: false, why_not }
    }
}

impl UnixPeer {
    /// Looks the process's user up. Root, the user that this program runs as, and the members of `group` may
    /// act. Reads the user database, so it may block for as long as a directory service takes.
    pub fn who(self, group: &str) -> Who {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        let name =
            user.as_ref().map_or_else(|| format!("uid {}", self.uid), |user| user.name.clone());
        if self.uid == 0 || self.uid == Uid::effective().as_raw() {
            return Who::acting(name);
        }
        let Some(group_id) = Group::from_name(group).ok().flatten().map(|group| group.gid) else {
            let why = format!("only root may act: there is no group {group} on the monitor's host");
            return Who::looking(name, why);
        };
        if self.gid == group_id.as_raw() || user.is_some_and(|user| belongs(&user, group_id)) {
            return Who::acting(name);
        }
        let why = format!("only root and the members of group {group} may act; {name} is not one");
        Who::looking(name, why)
    }
}

fn belongs(user: &User, group: Gid) -> bool {
    CString::new(user.name.as_str())
        .ok()
        .and_then(|name| getgrouplist(&name, user.gid).ok())
        .is_some_and(|groups| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32) -> UnixPeer {
        UnixPeer { uid, gid, pid: Some(1) }
    }

    #[test]
    fn root_and_the_group_may_act_and_others_are_told_why_not() {
        assert_eq!(peer(0, 0).who("no-such-group"), Who::acting("root"));
        // `daemon` is user 1 in group 1 and `bin` user 2 in group 2 on every Debian machine.
        assert_eq!(peer(1, 1).who("daemon"), Who::acting("daemon"));
        assert_eq!(peer(2, 1).who("daemon"), Who::acting("bin"));
        let who = peer(2, 2).who("daemon");
        assert_eq!((who.name.as_str(), who.may_act), ("bin", false));
        assert!(who.why_not.contains("members of group daemon"), "{}", who.why_not);
        let who = peer(4_000_000, 4_000_000).who("no-such-group");
        assert_eq!(who.name, "uid 4000000");
        assert!(who.why_not.contains("no group no-such-group"), "{}", who.why_not);
    }
}
