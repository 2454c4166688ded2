//! Announcing the VIPs that are held, as long as they are: at once, after 0.1, 1 and 2 s, then
//! every 10 s. What must not be here: which ones are held.
//!
//! An announcement at the wrong moment draws clients to the wrong host. So each one looks at the
//! interface first, and a host that is frozen or fences is silent until it serves again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::agentd::address::Addresses;
use crate::agentd::announce::{AnnounceError, Announcer};

/// When a new address is announced, after it was added: packets get lost.
const TIMES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(2)];
/// And from then on: for neighbours that were away, and against those who took it.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Mood {
    Speaks(AbortHandle),
    /// Frozen or fencing: held, and silent.
    Silent,
}

#[derive(Debug)]
pub(super) struct Voice {
    addresses: Arc<Addresses>,
    announcer: Arc<Announcer>,
    moods: Mutex<BTreeMap<IpAddr, Mood>>,
}

impl Drop for Voice {
    fn drop(&mut self) {
        for mood in self.moods().values() {
            mood.end();
        }
    }
}

impl Mood {
    fn end(&self) {
        if let Self::Speaks(task) = self {
            task.abort();
        }
    }
}

impl Voice {
    pub(super) fn new(addresses: Arc<Addresses>, announcer: Arc<Announcer>) -> Self {
        Self { addresses, announcer, moods: Mutex::default() }
    }

    /// The address was put up or refreshed. A new one is announced before this returns; none is
    /// while it is hushed.
    pub(super) fn held(&self, vip: IpAddr, new: bool) -> Result<(), AnnounceError> {
        let mut moods = self.moods();
        match moods.get(&vip) {
            Some(Mood::Silent) => return Ok(()),
            Some(Mood::Speaks(_)) if !new => return Ok(()),
            _ => {}
        }
        if new {
            self.announcer.announce(vip)?;
        }
        self.begin(&mut moods, vip, usize::from(new));
        Ok(())
    }

    /// No announcement until it speaks again or is dropped, whoever refreshes the address.
    pub(super) fn hush(&self, vip: IpAddr) {
        if let Some(before) = self.moods().insert(vip, Mood::Silent) {
            before.end();
        }
    }

    /// In service again.
    pub(super) fn speak(&self, vip: IpAddr) {
        let mut moods = self.moods();
        self.begin(&mut moods, vip, 0);
    }

    /// The address goes, or its history does not matter any more.
    pub(super) fn stop(&self, vip: IpAddr) {
        if let Some(before) = self.moods().remove(&vip) {
            before.end();
        }
    }

    /// Once more, if it is announced at all.
    pub(super) fn once(&self, vip: IpAddr) {
        if matches!(self.moods().get(&vip), Some(Mood::Speaks(_)))
            && let Err(error) = self.announcer.announce(vip)
        {
            tracing::warn!(%vip, %error, "cannot answer a claim");
        }
    }

    /// Everything that is announced, from the beginning.
    pub(super) fn again(&self) {
        let mut moods = self.moods();
        let speak = |(vip, mood): (&IpAddr, &Mood)| matches!(mood, Mood::Speaks(_)).then_some(*vip);
        let vips: Vec<IpAddr> = moods.iter().filter_map(speak).collect();
        for vip in vips {
            self.begin(&mut moods, vip, 0);
        }
    }

    /// Announces from the given one of `TIMES` on.
    fn begin(&self, moods: &mut BTreeMap<IpAddr, Mood>, vip: IpAddr, from: usize) {
        let task = tokio::spawn(repeat(
            Arc::clone(&self.addresses),
            Arc::clone(&self.announcer),
            vip,
            from,
        ));
        if let Some(before) = moods.insert(vip, Mood::Speaks(task.abort_handle())) {
            before.end();
        }
    }

    fn moods(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Mood>> {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn repeat(addresses: Arc<Addresses>, announcer: Arc<Announcer>, vip: IpAddr, from: usize) {
    let began = Instant::now();
    let mut times = TIMES[from..].iter().copied();
    let (mut due, mut told) = (Duration::ZERO, false);
    loop {
        let early = times.next();
        due = early.unwrap_or(due + EVERY);
        // An agent that stood still says it once, not as often as it missed.
        let at = (began + due).max(Instant::now());
        tokio::time::sleep_until(at).await;
        due = due.max(began.elapsed());
        // The kernel may have dropped it meanwhile, or the agent stood still.
        if !matches!(addresses.holds(vip).await, Ok(true)) {
            continue;
        }
        // Nobody else asks by then: a host that just handed the address over has dropped it.
        let asks = early.is_none_or(|early| early == TIMES[TIMES.len() - 1]);
        let said = announcer.announce(vip);
        let said = if asks { said.and_then(|()| announcer.probe(vip)) } else { said };
        match said {
            Ok(()) => told = false,
            Err(error) if !told => {
                tracing::warn!(%vip, %error, "cannot announce it again");
                told = true;
            }
            Err(_) => {}
        }
    }
}
