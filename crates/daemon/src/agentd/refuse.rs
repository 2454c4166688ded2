//! Making a VIP refuse connections (nf_tables).
//!
//! One table of our own, prepared at start; a refusal is then one element in a set. Works by `nft -f -`,
//! one atomic transaction each. Adding an element takes 3 ms, taking one away 16 ms (the kernel waits for
//! a grace period), so what need not be lifted is not. What must not be here: when to refuse.
//!
//! The chain sits before routing, so that it also answers packets which still come by a neighbour's stale
//! ARP entry after the address has left. Only incoming packets are looked at: what the server sends to
//! close its sessions gets out. Incoming resets pass, so that the server learns of a client that gave up.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mmm_proto::Span;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// An `nft` that takes longer is stuck.
const LIMIT: Span = Span::ms(500);
/// How long a refusal lasts after its address has left. Until then announcements have corrected the
/// neighbours; later it would keep what this host forwards, containers perhaps, from the new holder.
const FADE: Duration = Duration::from_secs(2);
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

/// Refusing connections to VIPs, on one server's port. Clones share everything.
#[derive(Debug, Clone)]
pub struct Refusal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    port: u16,
    program: Option<&'static str>,
    /// Set once it worked; a failure is tried again the next time.
    prepared: OnceCell<()>,
    /// One transaction at a time, so that the marks say what is in the kernel.
    turn: tokio::sync::Mutex<()>,
    marks: Mutex<Marks>,
}

/// What is refused as far as this agent knows.
#[derive(Debug, Default)]
struct Marks {
    /// An earlier agent left refusals behind: which VIPs they are for is not known.
    leftovers: bool,
    /// By this agent, each with the number of the act.
    refused: BTreeMap<IpAddr, u64>,
    acts: u64,
}

impl Refusal {
    /// For the server's TCP port. Touches nothing yet.
    pub fn new(port: u16) -> Self {
        Self::with(port, PLACES.into_iter().find(|path| Path::new(path).exists()))
    }

    fn with(port: u16, program: Option<&'static str>) -> Self {
        Self {
            inner: Arc::new(Inner {
                port,
                program,
                prepared: OnceCell::new(),
                turn: tokio::sync::Mutex::default(),
                marks: Mutex::default(),
            }),
        }
    }

    /// Prepares the table, once; refusals of an earlier agent stay in force. Says why this host cannot
    /// refuse: callers then go on without.
    pub async fn available(&self) -> Result<(), String> {
        self.prepare().await.map_err(|error| error.to_string())
    }

    /// New connections to `vip` get a reset; the present ones go on.
    pub async fn new_connections(&self, vip: IpAddr) -> Result<(), RefuseError> {
        let act = format!("refuse new connections to {vip}");
        self.refuse(vip, &act, element("new", vip)).await
    }

    /// Every packet to `vip` gets a reset.
    pub async fn everything(&self, vip: IpAddr) -> Result<(), RefuseError> {
        let act = format!("refuse all packets to {vip}");
        self.refuse(vip, &act, element("all", vip)).await
    }

    async fn refuse(&self, vip: IpAddr, act: &str, element: String) -> Result<(), RefuseError> {
        self.prepare().await?;
        let _turn = self.inner.turn.lock().await;
        {
            let mut marks = self.marks();
            marks.acts += 1;
            let act = marks.acts;
            marks.refused.insert(vip, act);
        }
        self.run(act, format!("add element {element}\n")).await
    }

    /// `vip` is served again. At once when it is not refused.
    pub async fn lift(&self, vip: IpAddr) -> Result<(), RefuseError> {
        self.prepare().await?;
        let _turn = self.inner.turn.lock().await;
        {
            let marks = self.marks();
            if !marks.leftovers && !marks.refused.contains_key(&vip) {
                return Ok(());
            }
        }
        self.take_away(vip).await
    }

    /// The caller has the turn.
    async fn take_away(&self, vip: IpAddr) -> Result<(), RefuseError> {
        // Adding first makes the deletion succeed whether it was there or not.
        let script: String = ["new", "all"]
            .map(|set| element(set, vip))
            .iter()
            .map(|e| format!("add element {e}\ndelete element {e}\n"))
            .collect();
        self.run(&format!("lift the refusal of {vip}"), script).await?;
        self.marks().refused.remove(&vip);
        Ok(())
    }

    /// The address has left: packets that still come by stale ARP entries are refused for 2 s yet, if they
    /// were before, then the refusal is lifted, unless it was set again meanwhile. Returns at once.
    pub fn fade(&self, vip: IpAddr) {
        let Some(act) = self.marks().refused.get(&vip).copied() else {
            return;
        };
        let refusal = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(FADE).await;
            let _turn = refusal.inner.turn.lock().await;
            if refusal.marks().refused.get(&vip) != Some(&act) {
                return;
            }
            if let Err(error) = refusal.take_away(vip).await {
                tracing::warn!(%vip, %error, "its refusal stays until this host holds it again");
            }
        });
    }

    /// All VIPs are served again, also those that an earlier agent refused.
    pub async fn clear(&self) -> Result<(), RefuseError> {
        self.prepare().await?;
        let _turn = self.inner.turn.lock().await;
        let script: String =
            SETS.iter().map(|(set, _)| format!("flush set inet mmm_agentd {set}\n")).collect();
        self.run("lift all refusals", script).await?;
        let mut marks = self.marks();
        marks.refused.clear();
        marks.leftovers = false;
        Ok(())
    }

    /// Takes the table away altogether.
    pub async fn remove(&self) -> Result<(), RefuseError> {
        let script = "add table inet mmm_agentd\ndelete table inet mmm_agentd\n";
        self.run("remove its table", script.to_owned()).await
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.inner.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prepare(&self) -> Result<(), RefuseError> {
        let inner = &self.inner;
        let make = || async {
            self.run("prepare its table", table(inner.port)).await?;
            let listed = self.nft("list its table", &["list", "table", "inet", "mmm_agentd"], "");
            self.marks().leftovers = listed.await?.contains("elements");
            Ok(())
        };
        inner.prepared.get_or_try_init(make).await.copied()
    }

    async fn run(&self, act: &str, script: String) -> Result<(), RefuseError> {
        self.nft(act, &["-f", "-"], &script).await.map(|_| ())
    }

    async fn nft(&self, act: &str, args: &[&str], script: &str) -> Result<String, RefuseError> {
        let program = self.inner.program.ok_or(RefuseError::NoNft)?;
        let failed = |why: String| RefuseError::Failed { act: act.to_owned(), why };
        match tokio::time::timeout(Duration::from(LIMIT), nft(program, args, script)).await {
            Err(_) => Err(RefuseError::Late { act: act.to_owned(), limit: LIMIT }),
            Ok(Err(error)) => Err(failed(format!("{program}: {error}"))),
            Ok(Ok(Err(words))) => Err(failed(words)),
            Ok(Ok(Ok(said))) => Ok(said),
        }
    }
}

const SETS: [(&str, &str); 4] =
    [("new4", "ipv4_addr"), ("new6", "ipv6_addr"), ("all4", "ipv4_addr"), ("all6", "ipv6_addr")];

/// Runs nft; what it printed, or else what it complained about.
async fn nft(program: &str, args: &[&str], script: &str) -> io::Result<Result<String, String>> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).await?;
    }
    let done = child.wait_with_output().await?;
    if done.status.success() {
        return Ok(Ok(String::from_utf8_lossy(&done.stdout).into_owned()));
    }
    let words = String::from_utf8_lossy(&done.stderr);
    if words.contains("Operation not permitted") {
        return Ok(Err("not permitted; the agent needs CAP_NET_ADMIN".to_owned()));
    }
    let first = words.lines().next().unwrap_or_default();
    Ok(Err(format!("{first} ({})", done.status)))
}

fn element(set: &str, vip: IpAddr) -> String {
    let family = if vip.is_ipv4() { 4 } else { 6 };
    format!("inet mmm_agentd {set}{family} {{ {vip} }}")
}

/// The whole table. Elements that are in the sets stay.
fn table(port: u16) -> String {
    let mut script = String::from("add table inet mmm_agentd\n");
    for (set, kind) in SETS {
        script += &format!("add set inet mmm_agentd {set} {{ type {kind}; }}\n");
    }
    script += "add chain inet mmm_agentd refuse \
               { type filter hook prerouting priority -350; policy accept; }\n\
               flush chain inet mmm_agentd refuse\n";
    for (family, word) in [(4, "ip"), (6, "ip6")] {
        for (set, flags) in
            [("all", "tcp flags & rst == 0"), ("new", "tcp flags & (fin|syn|rst|ack) == syn")]
        {
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
        assert!(!table.contains("delete"), "refusals outlive a restart of the agent");
    }

    #[tokio::test]
    async fn without_nft_the_remedy_is_named() {
        let refusal = Refusal::with(3306, None);
        let why = refusal.available().await.unwrap_err();
        assert!(why.contains("apt install nftables"), "{why}");
    }
}
