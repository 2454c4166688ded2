//! VIPs on the interface, by netlink.
