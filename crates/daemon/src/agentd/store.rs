//! What the agent keeps on disk: where its file is told from others and which version it has. What
//! is in it is the core's; how it gets there safely is in [`crate::store`].

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::store::{Store, StoreError};

/// Raised when an older agent would misread the file.
const VERSION: u32 = 1;

/// Opens the agent's state file (`state_path`) and reads it.
///
/// # Errors
/// When it cannot be read; it is then left as it is.
pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Store, Option<T>), StoreError> {
    Store::open(path, "mmm-agentd", VERSION)
}
