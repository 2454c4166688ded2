//! Framed lines over TCP and unix sockets.
