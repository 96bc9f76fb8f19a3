//! Attacks that once worked, as their attackers would try them.

mod blocks;
mod clocks;
mod connections;
mod cost;
mod database;
mod framing;
mod names;
mod offers;
mod rates;
mod reading;
mod rights;
mod standing;
mod tokens;
mod work;
