//! Generated from `proto/cerbos.proto`.
#![expect(clippy::all, reason = "generated code")]

tonic::include_proto!("cerbos.svc.v1");
