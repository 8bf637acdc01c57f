//! Sentences about the engine.

mod scenario;

mod addressee;
mod assignment;
mod brake;
mod breaker;
mod classes;
mod commit;
mod endpoint_health;
mod fan_out;
mod head;
mod hold;
mod lane;
mod ledger;
mod long_queue;
mod numbered;
mod offset_map;
mod pace;
mod parking;
mod presets;
mod retry;
mod route;
mod schedule;
mod simulation;
mod slow;
mod suspects;
mod turns;
mod verdict;
mod waiting;
