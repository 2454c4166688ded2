//! The line between the supervisor and its worker: beats go up, and its end is the supervisor's
//! end. A pair of sockets; the worker has its end as standard input. Messages are whole
//! (`SOCK_SEQPACKET`); a line that is full drops them, for nobody waits for a supervisor that
//! sleeps.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::pin::pin;

use mmm_proto::Time;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, getsockopt, recv, send, socketpair, sockopt,
};
use tokio::net::UnixDatagram;

use crate::clock::Clock;
use crate::core::supervisor::{Standing, beat_every};

/// Longer than any beat.
const MESSAGE_MAX: usize = 1024;

/// Both ends: the supervisor's and the worker's.
///
/// # Errors
/// When the kernel has no sockets left.
pub fn line() -> io::Result<(Ear, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (ours, workers) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Ear(ours), workers))
}

/// The supervisor's end.
#[derive(Debug)]
pub struct Ear(OwnedFd);

impl Ear {
    /// The newest of all beats that have come since the last call.
    pub fn newest(&self) -> Option<Standing> {
        let mut newest = None;
        let mut buffer = [0; MESSAGE_MAX];
        while let Ok(length @ 1..) = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            newest = serde_json::from_slice(&buffer[..length]).ok().or(newest);
        }
        newest
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct Heart {
    /// Datagrams and whole messages are handled alike, but for the end.
    line: UnixDatagram,
    last: Standing,
    due: Time,
}

impl Heart {
    /// Standard input, where the supervisor put it. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When this process was not started by a supervisor.
    pub fn of_stdin() -> anyhow::Result<Self> {
        let line = io::stdin().as_fd().try_clone_to_owned()?;
        if getsockopt(&line, sockopt::SockType).ok() != Some(SockType::SeqPacket) {
            anyhow::bail!("--worker is for mmm-agentd itself: start it without");
        }
        Self::on(line)
    }

    fn on(line: OwnedFd) -> anyhow::Result<Self> {
        Ok(Self {
            line: UnixDatagram::from_std(line.into())?,
            last: Standing::default(),
            due: Clock.now(),
        })
    }

    /// When the next beat is due.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Beats if it is time to, or if what is to be known has changed.
    pub fn beat(&mut self, standing: Standing) {
        let now = Clock.now();
        if now < self.due && self.last.exclusive == standing.exclusive {
            return;
        }
        (self.last, self.due) = (standing, now + beat_every(standing.ttl));
        let beat = serde_json::to_vec(&standing).unwrap_or_default();
        // By itself, for the runtime knows of room only after it has waited for it once. A full
        // line is a supervisor that sleeps, a closed one is noticed elsewhere.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = send(self.line.as_raw_fd(), &beat, flags);
    }

    /// Goes on beating while the loop waits for something that has a limit of its own.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = Clock.sleep_until(self.due) => self.beat(self.last),
            }
        }
    }

    /// Returns when there is no supervisor any more. Can be dropped and called again.
    pub async fn orphaned(&self) {
        loop {
            // Without an event queue there is no runtime either.
            let Ok(()) = self.line.readable().await else { return };
            match self.line.try_recv(&mut [0; 16]) {
                // Nothing is ever said this way, so whatever is not the end is a false alarm.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmm_proto::Span;
    use std::time::Duration;

    #[tokio::test]
    async fn the_newest_beat_counts_and_the_end_of_the_line_is_noticed() {
        let (ear, end) = line().unwrap();
        let mut heart = Heart::on(end).unwrap();
        assert_eq!(ear.newest(), None);
        let idle = Standing { ttl: Span::secs(3), ..Standing::default() };
        let writer = Standing { exclusive: true, fence_at: Some(Time(7)), ..idle };
        heart.beat(idle);
        heart.beat(idle);
        assert_eq!(ear.newest(), Some(idle));
        assert_eq!(ear.newest(), None, "not due yet");
        heart.beat(writer);
        assert_eq!(ear.newest(), Some(writer), "told at once");
        assert!(tokio::time::timeout(Duration::from_millis(30), heart.orphaned()).await.is_err());
        // A supervisor that reads nothing stops nobody.
        for exclusive in [false, true].into_iter().cycle().take(3000) {
            heart.beat(Standing { exclusive, ..idle });
        }
        drop(ear);
        tokio::time::timeout(Duration::from_secs(10), heart.orphaned()).await.unwrap();
        heart.beat(idle);
    }

    #[tokio::test]
    async fn a_wait_of_the_loop_does_not_stop_the_heart() {
        let (ear, end) = line().unwrap();
        let mut heart = Heart::on(end).unwrap();
        heart.beat(Standing { ttl: Span::ms(300), ..Standing::default() });
        ear.newest();
        // A limit of 300 ms means a beat each 75 ms.
        heart.during(tokio::time::sleep(Duration::from_millis(200))).await;
        assert!(ear.newest().is_some());
    }
}
