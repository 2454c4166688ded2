//! What the agent keeps on disk: where its file is told from others, which version it has, and when
//! a step waits for it. What is in it is the core's; how it gets there safely is in
//! [`crate::store`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mmm_proto::Span;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::heart::Heart;
use crate::core::agent::{Effect, Input, Kept};
use crate::store::{Store, StoreError};

/// Raised when an older agent would misread the file.
const VERSION: u32 = 1;

/// How long the state file may take.
const STORE_LIMIT: Span = Span::secs(1);

/// Opens the agent's state file (`state_path`) and reads it.
///
/// # Errors
/// When it cannot be read; it is then left as it is.
pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Store, Option<T>), StoreError> {
    Store::open(path, "mmm-agentd", VERSION)
}

/// Writes down what steps of the core want to be kept, and tells the core whether that works.
pub(super) struct Keeper {
    store: Arc<Store>,
    /// A write that had to be on disk failed; what it was about is still to be written.
    unwritten: Option<Arc<Kept>>,
    health: Arc<Health>,
}

impl Keeper {
    pub(super) fn new(store: Store, inputs: mpsc::Sender<Input>) -> Self {
        let health = Arc::new(Health { failing: AtomicBool::new(false), inputs });
        Self { store: Arc::new(store), unwritten: None, health }
    }

    /// Writes the newest state of a step down, once, before anything of the step is done. False
    /// when it had to be on disk and is not.
    pub(super) async fn write_down(&mut self, effects: &[Effect], heart: &mut Heart) -> bool {
        let mut newest = self.unwritten.take();
        let mut must = newest.is_some();
        for effect in effects {
            if let Effect::Persist { kept, sync } = effect {
                newest = Some(kept.clone());
                must |= sync;
            }
        }
        let Some(kept) = newest else { return true };
        if !must {
            // A renewed grant: after a crash of the machine it means nothing, so nobody waits for
            // the disk. That it takes nothing must be known all the same, before the host is asked
            // for what needs the disk.
            let (store, health) = (Arc::clone(&self.store), Arc::clone(&self.health));
            tokio::spawn(async move { health.tell(&store.save(&kept, STORE_LIMIT).await).await });
            return true;
        }
        let saved = heart.during(self.store.save(&kept, STORE_LIMIT)).await;
        let done = saved.is_ok();
        if !done {
            self.unwritten = Some(kept);
        }
        // Not from here: the inputs are taken by the loop that waits for this.
        let health = Arc::clone(&self.health);
        tokio::spawn(async move { health.tell(&saved).await });
        done
    }
}

/// Whether the latest write failed, as the core was told.
struct Health {
    failing: AtomicBool,
    inputs: mpsc::Sender<Input>,
}

impl Health {
    /// Tells the core when writes begin to fail, and when they work again.
    async fn tell(&self, saved: &Result<(), StoreError>) {
        let input = match saved {
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "cannot write the state down");
                Input::StoreFailed { why: error.to_string() }
            }
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("the state can be written down again");
                Input::StoreWorks
            }
            _ => return,
        };
        // The loop only goes when the process does.
        let _ = self.inputs.send(input).await;
    }
}
