//! Consoles: listeners, peers, subscriptions.
