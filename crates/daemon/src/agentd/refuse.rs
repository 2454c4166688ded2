//! Making a VIP refuse connections (nf_tables).
//!
//! One table of our own, prepared at start; a refusal is then one element in a set. Works by `nft -f -`,
//! one atomic transaction each (about 3 ms). What must not be here: when to refuse.
//!
//! The chain sits before routing, so that it also answers packets which still come by a neighbour's stale
//! ARP entry after the address has left. Only incoming packets are looked at: what the server sends to
//! close its sessions gets out. Incoming resets pass, so that the server learns of a client that gave up.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mmm_proto::Span;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// An `nft` that takes longer is stuck.
const LIMIT: Span = Span::ms(500);
/// How long a refusal lasts after its address has left. Announcements correct neighbours at once.
const FADE: Span = Span::secs(10);
/// Where `nft` is when a daemon's PATH does not name it.
const PLACES: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"];

/// Why a refusal could not be set or lifted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefuseError {
    /// There is no nft on this host.
    #[error("refusing connections needs `nft`, which is not installed: apt install nftables")]
    NoNft,
    /// It runs and says no, or could not be run.
    #[error("nft could not {act}: {why}")]
    Failed { act: String, why: String },
    /// It did not come back.
    #[error("nft could not {act} within {limit}: killed")]
    Late { act: String, limit: Span },
}

/// Refusing connections to VIPs, on one server's port.
#[derive(Debug)]
pub struct Refusal {
    port: u16,
    program: Option<&'static str>,
    /// Set once it worked; a failure is tried again the next time.
    prepared: OnceCell<()>,
    /// Refused by this agent, without end.
    refused: Mutex<BTreeSet<IpAddr>>,
    /// Known to be refused in no way: lifting again would cost a process for nothing.
    lifted: Mutex<BTreeSet<IpAddr>>,
}

impl Refusal {
    /// For the server's TCP port. Touches nothing yet.
    pub fn new(port: u16) -> Self {
        let program = PLACES.into_iter().find(|path| Path::new(path).exists());
        Self {
            port,
            program,
            prepared: OnceCell::new(),
            refused: Mutex::default(),
            lifted: Mutex::default(),
        }
    }

    /// Prepares the table, once; refusals of an earlier agent stay in force. Says why this host cannot
    /// refuse: callers then go on without.
    pub async fn available(&self) -> Result<(), String> {
        self.prepare().await.map_err(|error| error.to_string())
    }

    /// New connections to `vip` get a reset; the present ones go on.
    pub async fn new_connections(&self, vip: IpAddr) -> Result<(), RefuseError> {
        self.prepare().await?;
        self.lifted().remove(&vip);
        self.refused().insert(vip);
        let script = format!("add element {}\n", element("new", vip));
        self.run(&format!("refuse new connections to {vip}"), script)
            .await
    }

    /// Every packet to `vip` gets a reset.
    pub async fn everything(&self, vip: IpAddr) -> Result<(), RefuseError> {
        self.prepare().await?;
        self.lifted().remove(&vip);
        self.refused().insert(vip);
        let script = format!("add element {}\n", element("all", vip));
        self.run(&format!("refuse all packets to {vip}"), script)
            .await
    }

    /// The address has left: packets that still come by stale ARP entries are refused for some seconds yet,
    /// then the kernel forgets it, so that whatever this host forwards reaches the new holder.
    pub async fn fade(&self, vip: IpAddr) -> Result<(), RefuseError> {
        self.prepare().await?;
        self.lifted().remove(&vip);
        let (new, all) = (element("new", vip), element("all", vip));
        let fading = all.replace(" }", &format!(" timeout {}s }}", FADE.as_secs()));
        let script = format!(
            "add element {new}\ndelete element {new}\n\
             add element {all}\ndelete element {all}\nadd element {fading}\n"
        );
        self.run(&format!("let the refusal of {vip} fade"), script)
            .await?;
        self.refused().remove(&vip);
        Ok(())
    }

    /// `vip` is served again.
    pub async fn lift(&self, vip: IpAddr) -> Result<(), RefuseError> {
        self.prepare().await?;
        if self.lifted().contains(&vip) {
            return Ok(());
        }
        // Adding first makes the deletion succeed whether it was there or not.
        let script: String = ["new", "all"]
            .map(|set| element(set, vip))
            .iter()
            .map(|e| format!("add element {e}\ndelete element {e}\n"))
            .collect();
        self.run(&format!("lift the refusal of {vip}"), script)
            .await?;
        self.lifted().insert(vip);
        self.refused().remove(&vip);
        Ok(())
    }

    /// All VIPs are served again.
    pub async fn clear(&self) -> Result<(), RefuseError> {
        self.prepare().await?;
        let script: String = SETS
            .iter()
            .map(|(set, _)| format!("flush set inet mmm_agentd {set}\n"))
            .collect();
        self.run("lift all refusals", script).await?;
        self.refused().clear();
        Ok(())
    }

    /// Takes the table away altogether.
    pub async fn remove(&self) -> Result<(), RefuseError> {
        let script = "add table inet mmm_agentd\ndelete table inet mmm_agentd\n";
        self.run("remove its table", script.to_owned()).await
    }

    /// Whether this agent refuses `vip`, be it new connections or everything.
    pub fn refuses(&self, vip: IpAddr) -> bool {
        self.refused().contains(&vip)
    }

    fn lifted(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        self.lifted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prepare(&self) -> Result<(), RefuseError> {
        self.prepared
            .get_or_try_init(|| self.run("prepare its table", table(self.port)))
            .await
            .copied()
    }

    async fn run(&self, act: &str, script: String) -> Result<(), RefuseError> {
        let program = self.program.ok_or(RefuseError::NoNft)?;
        let failed = |why: String| RefuseError::Failed {
            act: act.to_owned(),
            why,
        };
        match tokio::time::timeout(Duration::from(LIMIT), nft(program, script)).await {
            Err(_) => Err(RefuseError::Late {
                act: act.to_owned(),
                limit: LIMIT,
            }),
            Ok(Err(error)) => Err(failed(format!("{program}: {error}"))),
            Ok(Ok(words)) if words.is_empty() => Ok(()),
            Ok(Ok(words)) => Err(failed(words)),
        }
    }
}

const SETS: [(&str, &str); 4] = [
    ("new4", "ipv4_addr"),
    ("new6", "ipv6_addr"),
    ("all4", "ipv4_addr"),
    ("all6", "ipv6_addr"),
];

/// Runs one script; returns what it complained about, empty when it worked.
async fn nft(program: &str, script: String) -> io::Result<String> {
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).await?;
    }
    let done = child.wait_with_output().await?;
    if done.status.success() {
        return Ok(String::new());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    let first = words.lines().next().unwrap_or_default();
    if words.contains("Operation not permitted") {
        return Ok("not permitted; the agent needs CAP_NET_ADMIN".to_owned());
    }
    Ok(format!("{} ({})", first, done.status))
}

fn element(set: &str, vip: IpAddr) -> String {
    let family = if vip.is_ipv4() { 4 } else { 6 };
    format!("inet mmm_agentd {set}{family} {{ {vip} }}")
}

/// The whole table. Elements that are in the sets stay.
fn table(port: u16) -> String {
    let mut script = String::from("add table inet mmm_agentd\n");
    for (set, kind) in SETS {
        script += &format!("add set inet mmm_agentd {set} {{ type {kind}; flags timeout; }}\n");
    }
    script += "add chain inet mmm_agentd refuse \
               { type filter hook prerouting priority -350; policy accept; }\n\
               flush chain inet mmm_agentd refuse\n";
    for (family, word) in [(4, "ip"), (6, "ip6")] {
        for (set, flags) in [
            ("all", "tcp flags & rst == 0"),
            ("new", "tcp flags & (fin|syn|rst|ack) == syn"),
        ] {
            script += &format!(
                "add rule inet mmm_agentd refuse tcp dport {port} {flags} \
                 {word} daddr @{set}{family} reject with tcp reset\n"
            );
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_answers_on_the_port_for_both_families() {
        let table = table(3307);
        assert_eq!(table.matches("tcp dport 3307").count(), 4);
        assert_eq!(table.matches("ip6 daddr").count(), 2);
        assert!(
            !table.contains("delete"),
            "refusals outlive a restart of the agent"
        );
    }

    #[tokio::test]
    async fn without_nft_the_remedy_is_named() {
        let mut refusal = Refusal::new(3306);
        refusal.program = None;
        let why = refusal.available().await.unwrap_err();
        assert!(why.contains("apt install nftables"), "{why}");
    }
}
