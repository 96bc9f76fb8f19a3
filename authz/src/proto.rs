//! Generated from `proto/cerbos.proto`.
#![expect(clippy::allow_attributes_without_reason, reason = "generated code")]

tonic::include_proto!("cerbos.svc.v1");
