//! A connection that does nothing but notice when the server dies.
//!
//! It sleeps inside the server, so the kernel tells of the end at once: a killed server is noticed
//! within a millisecond, without asking. It does not notice a server that hangs; looks do.

use std::time::Duration;

use mmm_proto::Span;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::session::Deadline;
use super::{Server, ServerError};

/// One sleep in the server; then the next one begins.
const NAP: Span = Span::secs(600);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A connection that ends sooner is no reason to try again at once.
const SHORT_LIFE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What the sentinel noticed. Each is said once until another is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulse {
    /// Connected.
    Up,
    /// The connection ended or cannot be made, which proves nothing yet.
    Lost(String),
    /// Refused or reset twice in a row: the process is gone.
    Gone(String),
}

impl Server {
    /// Starts the sentinel. It ends when the receiver is dropped.
    pub fn sentinel(&self) -> mpsc::Receiver<Pulse> {
        let (tell, told) = mpsc::channel(16);
        tokio::spawn(watch(self.clone(), tell));
        told
    }
}

async fn watch(server: Server, tell: mpsc::Sender<Pulse>) {
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        let began = Instant::now();
        let pulse = tokio::select! {
            () = tell.closed() => return,
            pulse = one_life(&server, &tell, &mut last) => pulse,
        };
        if !say(&tell, &mut last, pulse).await {
            return;
        }
        if began.elapsed() > SHORT_LIFE {
            // It had lived: look again at once.
            pause = FIRST_PAUSE;
            continue;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// From connecting to the end of the connection; says how it ended.
async fn one_life(server: &Server, tell: &mpsc::Sender<Pulse>, last: &mut Option<Pulse>) -> Pulse {
    let limit = server.access().connect_timeout;
    let mut session = match server.connect(Deadline::after(limit)).await {
        Ok(session) => session,
        Err(ServerError::Gone { why, .. }) => return Pulse::Gone(why),
        Err(error) => return Pulse::Lost(error.to_string()),
    };
    if !say(tell, last, Pulse::Up).await {
        return Pulse::Lost("nobody listens".to_owned());
    }
    let sql = format!("DO SLEEP({})", NAP.as_secs());
    loop {
        let deadline = Deadline::after(NAP + Span::secs(60));
        if let Err(error) = session.exec("the sentinel's sleep", &sql, deadline).await {
            return Pulse::Lost(error.to_string());
        }
    }
}

/// Passes on what has changed; false when nobody listens any more.
async fn say(tell: &mpsc::Sender<Pulse>, last: &mut Option<Pulse>, pulse: Pulse) -> bool {
    let same = last
        .as_ref()
        .is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(&pulse));
    if same {
        return true;
    }
    *last = Some(pulse.clone());
    tell.send(pulse).await.is_ok()
}
