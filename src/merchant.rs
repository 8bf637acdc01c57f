//! Merchants: who they are ([`directory`]), how requests to them are signed ([`dialect`]), where
//! requests may go ([`guard`]) and by which way ([`proxy`]), the one place that sends them
//! ([`client`]), and what workers found of those that do not work ([`finding`]).

pub mod client;
pub mod dialect;
pub mod directory;
pub mod finding;
pub mod guard;
pub mod proxy;
pub mod trust;
pub mod vault;
