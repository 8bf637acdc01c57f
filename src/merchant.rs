//! Merchants: who they are ([`directory`]), how requests to them are signed ([`dialect`]), where
//! requests may go ([`guard`]) and by which way ([`proxy`]), and the one place that sends them
//! ([`client`]).

pub mod client;
pub mod dialect;
pub mod directory;
pub mod guard;
pub mod proxy;
pub mod trust;
pub mod vault;
