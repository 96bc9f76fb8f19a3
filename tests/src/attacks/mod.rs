//! Attacks that once worked, as their attackers would try them.

mod clocks;
mod connections;
mod cost;
mod rates;
mod rights;
mod standing;
mod tokens;
mod work;
