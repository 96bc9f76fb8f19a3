//! Attacks that once worked, as their attackers would try them.

mod clocks;
mod connections;
mod cost;
mod database;
mod framing;
mod names;
mod offers;
mod rates;
mod rights;
mod standing;
mod tokens;
mod work;
