//! The machine's network, as far as a rack touches it: its interfaces; datagrams in and out by the batch; frames to clients without an address.
//! The only unsafe code of the tree is here.

pub mod dhcp_socket;
pub mod interfaces;
pub mod port_owner;
mod raw;
pub mod receive;
pub mod schedule;
pub mod send;
pub mod wake;
