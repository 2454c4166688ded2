//! The agent's loop.
