//! Merchants: who they are ([`directory`]), how requests to them are signed ([`signature`]), and
//! the one place that sends such requests ([`client`]).

pub mod client;
pub mod directory;
pub mod signature;
