//! ICMP echo, IPv4 and IPv6, over sockets that stay open.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures_util::future::select_ok;
use mmm_proto::{Span, Time};
use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence};
use tokio::time::sleep;

use crate::clock::Clock;

/// Echo requests within one limit. The first answer counts, so that a lost packet is no failed host.
const REQUESTS: u32 = 4;

/// Bytes in a request.
const PAYLOAD: [u8; 16] = *b"mmm-mond is here";

/// Why there is no answer to tell of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// Nothing can be said about the host: this machine does not let us ask.
    #[error("cannot send ICMP echo requests: {0}")]
    NoSocket(String),
    /// The host did not answer.
    #[error("{0}")]
    NoAnswer(String),
}

/// Pings. One for the whole monitor: answers find their way back by address and sequence number.
#[derive(Default)]
pub struct Pinger {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    sequence: AtomicU16,
}

impl Pinger {
    /// Waits for an answer of that address, `limit` at most, and returns how long it took from the first
    /// request.
    ///
    /// # Errors
    /// See [`PingError`].
    pub async fn ping(&self, ip: IpAddr, limit: Span) -> Result<Span, PingError> {
        let client = self.client(ip)?;
        let began = Clock.now();
        let limit_std = Duration::from(limit);
        let requests = (0..REQUESTS).map(|n| {
            let sequence = PingSequence(self.sequence.fetch_add(1, Ordering::Relaxed));
            let client = client.clone();
            let wait = limit_std * n / REQUESTS;
            Box::pin(async move {
                sleep(wait).await;
                let mut pinger = client.pinger(ip, identifier()).await;
                pinger.timeout(limit_std - wait);
                pinger.ping(sequence, &PAYLOAD).await.map_err(|error| error.to_string())
            })
        });
        match select_ok(requests).await {
            Ok(_) => Ok(Clock.now().since(began)),
            Err(last) => Err(PingError::NoAnswer(no_answer(&last, began, limit))),
        }
    }

    /// The socket for that kind of address: unprivileged if the kernel allows this group, else raw.
    fn client(&self, ip: IpAddr) -> Result<Client, PingError> {
        let (place, kind, sysctl) = match ip {
            IpAddr::V4(_) => (&self.v4, ICMP::V4, "net.ipv4.ping_group_range"),
            // One range serves both kinds.
            IpAddr::V6(_) => (&self.v6, ICMP::V6, "net.ipv4.ping_group_range"),
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*place {
            return Ok(client.clone());
        }
        let config = Config::builder().kind(kind).build();
        let client = Client::new(&config).map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            PingError::NoSocket(format!(
                "{first}; give mmm-mond CAP_NET_RAW, or its group a place in {sysctl}"
            ))
        })?;
        *place = Some(client.clone());
        Ok(client)
    }
}

fn no_answer(last: &str, began: Time, limit: Span) -> String {
    if last.contains("timeout") {
        return format!("no answer to {REQUESTS} echo requests within {limit}");
    }
    let took = Clock.now().since(began);
    format!("no answer to {REQUESTS} echo requests within {took}: {last}")
}

/// What tells our raw packets from those of other programs.
fn identifier() -> PingIdentifier {
    // The lower half of the process number is what `ping` takes, too.
    PingIdentifier((std::process::id() & 0xffff) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mond::probe::{NetworkTarget, ProbeEvent, Probes, Timing};

    #[tokio::test]
    async fn the_own_machine_answers_at_once_and_often() {
        let pinger = Pinger::default();
        for ip in ["127.0.0.1", "127.0.0.2"] {
            for _ in 0..50 {
                let took = pinger.ping(ip.parse().unwrap(), Span::secs(1)).await.unwrap();
                assert!(took < Span::ms(200), "{took}");
            }
        }
    }

    /// Runs in a network of its own, which ends with its thread: a loopback that answers no echo request.
    fn in_a_mute_network<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
        let thread = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("tests run as root");
            let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
            assert!(up.unwrap().success());
            std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(test)
        });
        thread.join().unwrap()
    }

    #[test]
    fn who_does_not_answer_fails_within_the_limit() {
        let (took, error) = in_a_mute_network(async {
            let (pinger, began) = (Pinger::default(), Clock.now());
            let error = pinger.ping("127.0.0.1".parse().unwrap(), Span::ms(200)).await;
            (Clock.now().since(began), error.unwrap_err())
        });
        assert!(took >= Span::ms(199) && took <= Span::ms(300), "{took}");
        let wants = "no answer to 4 echo requests within 200 ms";
        assert_eq!(error, PingError::NoAnswer(wants.to_owned()));
    }

    #[test]
    fn the_network_is_down_when_nobody_answers() {
        let (up, message) = in_a_mute_network(async {
            let (tx, mut rx) = tokio::sync::mpsc::channel(8);
            let timing = Timing { period: Span::ms(50), timeout: Span::ms(50) };
            let ips = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
            let _probes = Probes::start(Vec::new(), NetworkTarget { ips, timing }, &tx);
            let network = rx.recv().await.unwrap();
            let ProbeEvent::Network { up: false, message, .. } = network else {
                panic!("{network:?}");
            };
            std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0").unwrap();
            let network = rx.recv().await.unwrap();
            (matches!(network, ProbeEvent::Network { up: true, .. }), message)
        });
        assert!(up);
        assert_eq!(message, "ERROR: none of 127.0.0.1, 127.0.0.2 answers");
    }
}
