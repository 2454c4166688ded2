//! What the process does when it is told to stop.
