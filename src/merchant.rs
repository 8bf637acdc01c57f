//! Merchants: who they are ([`directory`]), how requests to them are signed ([`signature`]), where
//! requests may go ([`guard`]), and the one place that sends them ([`client`]).

pub mod client;
pub mod directory;
pub mod guard;
pub mod signature;
