//! Decides everything, touches nothing: no I/O, no clock, no randomness, no logging.

mod command;

pub use command::*;
