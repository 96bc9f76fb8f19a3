//! One test binary over the real PostgreSQL, Cerbos and HTTP.
#![cfg(test)]

mod harness;

mod authority;
mod catalog;
mod changes;
mod configuration;
mod contact;
mod crash;
mod deadlines;
mod delegation;
mod engagement;
mod explain;
mod external_party;
mod figures;
mod golden;
mod graphql_surface;
mod house;
mod http;
mod idempotency;
mod identity;
mod kinds;
mod lanes;
mod live;
mod membership;
mod model;
mod observability;
mod one_pass;
mod openapi;
mod order;
mod organizations;
mod outages;
mod outcomes;
mod ownership;
mod paging;
mod parity;
mod plans;
mod portfolio;
mod projection;
mod property;
mod readme;
mod rpc_surface;
mod scope;
mod states;
