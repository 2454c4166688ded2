//! The two pure state machines.
