//! Merchants: who they are ([`directory`]), how requests to them are signed ([`dialect`]), and the
//! one place that sends such requests ([`client`]).

pub mod client;
pub mod dialect;
pub mod directory;
