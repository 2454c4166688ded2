//! Ctrl-C and its kin as a flag, so that a lab can be taken down in order.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Set once SIGINT, SIGTERM or SIGHUP has come.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes the signals over from here on, for the life of the process.
    pub fn on_signals() -> Result<Stop> {
        let stop = Stop::default();
        let flag = stop.clone();
        let (tell, told) = mpsc::channel();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let result = watch(&flag, &tell);
                // The starter waits for this; later nobody listens and nothing can fail.
                let _ = tell.send(result);
            })
            .context("start the thread that waits for signals")?;
        told.recv().context("the thread that waits for signals ended")??;
        Ok(stop)
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn watch(flag: &Stop, tell: &mpsc::Sender<Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("take SIGINT over")?;
        let mut terminate = signal(SignalKind::terminate()).context("take SIGTERM over")?;
        let mut hangup = signal(SignalKind::hangup()).context("take SIGHUP over")?;
        let _ = tell.send(Ok(()));
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            flag.0.store(true, Ordering::Relaxed);
        }
    })
}
