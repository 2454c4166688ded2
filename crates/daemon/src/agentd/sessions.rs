//! Client sessions on the local server: list, kill.
