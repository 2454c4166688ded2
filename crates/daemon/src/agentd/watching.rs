//! What the agent looks at by itself, beside its loop: the server and its process. What is found
//! goes to the loop; nothing is decided here. The interface is looked at in `interface`.

use std::path::PathBuf;
use std::sync::Arc;

use mmm_proto::{Span, Time};
use tokio::sync::{Notify, mpsc};

use super::acts::Tools;
use super::escalate;
use crate::clock::Clock;
use crate::core::agent::Input;

/// How often the server is looked at.
const LOOK_EVERY: Span = Span::ms(500);

/// How long a look may take before the server counts as silent.
pub(super) const LOOK_LIMIT: Span = Span::secs(2);

/// While the server answers, learns which process it is: when it does not any more, that is too
/// late.
pub(super) async fn know_the_process(tools: Arc<Tools>, configured: Option<PathBuf>) {
    let Some(process) = &tools.process else {
        return;
    };
    let known = match escalate::pid_file(configured, &tools.hands.server, LOOK_LIMIT).await {
        Ok(path) => process.remember(&path),
        Err(why) => Err(why),
    };
    match known {
        Ok(pid) => tracing::info!(pid, "the server's process is known"),
        Err(why) => {
            tracing::warn!(
                why,
                "a server that hangs could not be ended to fence it (fence_escalation)"
            );
        }
    }
}

/// Looks at the server at each beat, and at once when something happened.
pub(super) async fn watch_server(
    clock: Clock,
    tools: Arc<Tools>,
    now: Arc<Notify>,
    inputs: mpsc::Sender<Input>,
) {
    loop {
        let began: Time = clock.now();
        let server = tools.hands.server.look(LOOK_LIMIT).await;
        if inputs.send(Input::Facts { server: Box::new(server), began }).await.is_err() {
            return;
        }
        let _ = tokio::time::timeout(LOOK_EVERY.into(), now.notified()).await;
    }
}
