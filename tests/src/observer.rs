//! Watches every database host from outside the daemons: which VIPs it holds and whether an
//! ordinary user could write there. Judges nothing while it samples; questions come later.
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::net::addresses_here;
use crate::process::lock;
use crate::server::Server;
use crate::sql::{Login, Session};
use crate::wait::pass;

/// From the start of a sample to the start of the next.
const PERIOD: Duration = Duration::from_millis(10);
/// A server that takes longer to answer does not accept a write at that moment either.
const ANSWER: Duration = Duration::from_millis(40);
/// Between two samples further apart nothing is known.
const BLIND: Duration = Duration::from_millis(150);

/// What a host looked like from one sample to another; it was seen so at both ends and at every
/// sample between them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    from: Instant,
    to: Instant,
    addresses: Vec<IpAddr>,
    /// `@@read_only = 0`; `None` when the server did not answer.
    writable: Option<bool>,
}

/// How long two hosts did the same thing at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    pub total: Duration,
    pub longest: Duration,
    pub times: usize,
}

impl Overlap {
    pub fn is_none(&self) -> bool {
        self.times == 0
    }
}

/// Samples until it is dropped.
pub struct Observer {
    stop: Arc<AtomicBool>,
    started: Instant,
    hosts: Vec<Watched>,
    threads: Vec<JoinHandle<Result<()>>>,
}

struct Watched {
    name: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Observer {
    pub(crate) fn start(servers: &[Server]) -> Result<Observer> {
        let stop = Arc::new(AtomicBool::new(false));
        let started = Instant::now();
        // Filled step by step, so that a failure stops the threads that run already.
        let mut observer = Observer { stop, started, hosts: Vec::new(), threads: Vec::new() };
        for server in servers {
            let spans = Arc::new(Mutex::new(Vec::new()));
            let (inner, stop) = (Arc::clone(&spans), Arc::clone(&observer.stop));
            let socket = server.socket();
            let body = move || sample(&socket, &inner, &stop);
            observer.threads.push(server.host().thread("observer", body)?);
            observer.hosts.push(Watched { name: server.name().to_owned(), spans });
        }
        Ok(observer)
    }

    /// How long two hosts held the address at once, since `since`.
    pub fn two_holders(&self, vip: Ipv4Addr, since: Instant) -> Overlap {
        self.overlaps(since, |span| span.holds(vip))
    }

    /// When the host was first seen without the address, since `since`.
    pub fn left(&self, host: &str, vip: Ipv4Addr, since: Instant) -> Option<Instant> {
        let host = self.hosts.iter().find(|watched| watched.name == host)?;
        let spans = lock(&host.spans);
        let without = spans.iter().find(|span| span.to > since && !span.holds(vip))?;
        Some(without.from.max(since))
    }

    /// How long two hosts held the address AND accepted writes at once: what must never be.
    ///
    /// Counts only what was seen at two samples of both hosts, so an overlap shorter than some
    /// 10 ms can be missed (the client's late acknowledgements show those); one that is reported
    /// was there. A host that refuses connections with its server still writable counts.
    pub fn two_accepting(&self, vip: Ipv4Addr, since: Instant) -> Overlap {
        self.overlaps(since, |span| span.holds(vip) && span.writable == Some(true))
    }

    /// The longest time without a sample of a host, since `since`. When it is long, the other
    /// answers are worth little.
    pub fn longest_blind(&self, since: Instant) -> Duration {
        let blind = |host: &Watched| {
            let spans = lock(&host.spans);
            let mut last = self.started.max(since);
            let mut longest = Duration::ZERO;
            for span in spans.iter().filter(|span| span.to >= since) {
                longest = longest.max(span.from.saturating_duration_since(last));
                last = span.to.max(last);
            }
            longest.max(last.elapsed())
        };
        self.hosts.iter().map(blind).max().unwrap_or_default()
    }

    /// What was seen since `since`, one line a change, oldest first; for failure messages.
    pub fn describe(&self, since: Instant) -> String {
        let mut lines = Vec::new();
        for host in &self.hosts {
            for span in lock(&host.spans).iter().filter(|span| span.to >= since) {
                lines.push((span.from, format!("{} {}", host.name, span.words())));
            }
        }
        lines.sort();
        let text = |(at, text): (Instant, String)| {
            let ms = at.saturating_duration_since(self.started).as_millis();
            format!("{ms:>8} ms  {text}\n")
        };
        lines.into_iter().map(text).collect()
    }

    fn overlaps(&self, since: Instant, doing: impl Fn(&Span) -> bool) -> Overlap {
        let busy = |host: &Watched| -> Vec<(Instant, Instant)> {
            let spans = lock(&host.spans);
            let late = spans.iter().filter(|span| span.to > since && doing(span));
            late.map(|span| (span.from.max(since), span.to)).collect()
        };
        let hosts: Vec<_> = self.hosts.iter().map(busy).collect();
        let mut sum = Overlap::default();
        for (at, one) in hosts.iter().enumerate() {
            for other in &hosts[at + 1..] {
                sum.add(one, other);
            }
        }
        sum
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic in it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Overlap {
    fn add(&mut self, one: &[(Instant, Instant)], other: &[(Instant, Instant)]) {
        for (from, to) in one {
            for (other_from, other_to) in other {
                let both = (*to).min(*other_to).saturating_duration_since(*from.max(other_from));
                if !both.is_zero() {
                    self.total += both;
                    self.longest = self.longest.max(both);
                    self.times += 1;
                }
            }
        }
    }
}

impl Span {
    fn holds(&self, vip: Ipv4Addr) -> bool {
        self.addresses.contains(&IpAddr::V4(vip))
    }

    fn words(&self) -> String {
        let server = match self.writable {
            Some(true) => "accepts writes",
            Some(false) => "read-only",
            None => "no answer",
        };
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        format!("{server}, {}", addresses.join(" "))
    }
}

fn sample(socket: &Path, spans: &Mutex<Vec<Span>>, stop: &AtomicBool) {
    let mut server = Asked { socket: socket.to_owned(), session: None };
    while !stop.load(Ordering::Relaxed) {
        let at = Instant::now();
        let mut addresses = addresses_here().unwrap_or_default();
        // Link-local addresses come and go with the link and say nothing.
        addresses.retain(IpAddr::is_ipv4);
        addresses.sort();
        let writable = server.writable();
        enter(&mut lock(spans), at, addresses, writable);
        pass((at + PERIOD).saturating_duration_since(Instant::now()));
    }
}

/// Lengthens the last span when nothing changed; otherwise begins one.
fn enter(spans: &mut Vec<Span>, at: Instant, addresses: Vec<IpAddr>, writable: Option<bool>) {
    if let Some(last) = spans.last_mut() {
        let same = last.addresses == addresses && last.writable == writable;
        if same && at.duration_since(last.to) <= BLIND {
            last.to = at;
            return;
        }
    }
    spans.push(Span { from: at, to: at, addresses, writable });
}

struct Asked {
    socket: PathBuf,
    session: Option<Session>,
}

impl Asked {
    fn writable(&mut self) -> Option<bool> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::unix(&self.socket, &Login::root(), ANSWER).ok()?,
        };
        let rows = session.query("SELECT @@GLOBAL.read_only", ANSWER).ok()?;
        self.session = Some(session);
        Some(rows.first() == Some("0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    fn observer(hosts: &[&[(u64, bool, Option<bool>)]]) -> Observer {
        let started = Instant::now();
        let watched = |samples: &&[(u64, bool, Option<bool>)]| {
            let mut spans = Vec::new();
            for (at, holds, writable) in *samples {
                let addresses = if *holds { vec![IpAddr::V4(VIP)] } else { Vec::new() };
                enter(&mut spans, started + Duration::from_millis(*at), addresses, *writable);
            }
            Watched { name: "db".into(), spans: Arc::new(Mutex::new(spans)) }
        };
        let hosts = hosts.iter().map(watched).collect();
        Observer { stop: Arc::default(), started, hosts, threads: Vec::new() }
    }

    #[test]
    fn two_that_accept_are_seen() {
        let (yes, no) = (Some(true), Some(false));
        let seen = observer(&[
            &[(0, true, yes), (10, true, yes), (20, true, yes), (30, true, no), (40, true, no)],
            &[(5, true, yes), (15, true, yes), (25, true, yes), (35, true, yes), (45, true, yes)],
        ]);
        let both = seen.two_accepting(VIP, seen.started);
        assert_eq!(both.total, Duration::from_millis(15));
        assert_eq!((both.longest, both.times), (both.total, 1));
        // The second span of the first host overlaps as well when only the address counts.
        assert_eq!(seen.two_holders(VIP, seen.started).total, Duration::from_millis(25));
        assert!(seen.two_accepting(VIP, seen.started + Duration::from_millis(21)).is_none());
    }

    #[test]
    fn a_frozen_or_silent_holder_does_not_accept() {
        let seen = observer(&[
            &[(0, true, Some(false)), (10, true, Some(false)), (20, true, None)],
            &[(0, true, Some(true)), (10, true, Some(true)), (20, true, Some(true))],
        ]);
        assert!(seen.two_accepting(VIP, seen.started).is_none());
        assert!(!seen.two_holders(VIP, seen.started).is_none());
    }

    #[test]
    fn nothing_is_claimed_between_samples_far_apart() {
        let seen = observer(&[
            &[(0, true, Some(true)), (900, true, Some(true))],
            &[(0, true, Some(true)), (900, true, Some(true))],
        ]);
        assert!(seen.two_accepting(VIP, seen.started).is_none());
    }
}
