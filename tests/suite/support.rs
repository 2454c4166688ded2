//! What the modules of the suite share.
use std::sync::{Mutex, MutexGuard, PoisonError};

use lab::{Lab, Options};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A lab of one test. No other test has one at the same time.
pub(crate) struct OneLab {
    // Dropped before the guard: the next test begins on a machine that is idle again.
    lab: Lab,
    _guard: MutexGuard<'static, ()>,
}

impl std::ops::Deref for OneLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// Waits for its turn; while what it returns is kept, no other test has a lab.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // A test that failed while it held the lock has dropped its lab all the same.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for its turn, then brings a lab up; panics with the reason and the remedy if it cannot.
pub(crate) fn lab(options: &Options) -> OneLab {
    let guard = alone();
    match Lab::up(options) {
        Ok(lab) => OneLab { lab, _guard: guard },
        Err(e) => panic!("no lab: {e:#}"),
    }
}
