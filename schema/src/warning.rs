//! Warnings: what somebody may want to look at, though the mutation was done.

use crate::{Caller, Carried, Gateway, Planned, Reading, Reads, Result, text_enum};
use async_graphql::SimpleObject;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

text_enum!(
    /// The matter of a warning.
    WarningCode {
        /// Another property may have the same address: perhaps the house was entered twice.
        SameAddress = "SAME_ADDRESS",
        /// The end counts at once. Some rows of things that rested on it are brought in line after it.
        StillToCome = "STILL_TO_COME",
    }
);

/// A hint about something that was done all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The matter of the warning.
    pub code: WarningCode,
    /// The path of the field in the input that it is about. Null: it is about no one field.
    pub field: Option<String>,
    /// The warning in words, in English.
    pub message: String,
    /// The ids of the other things that it is about, five at most. `nodes` reads them.
    #[schemars(with = "Vec<Uuid>")]
    pub others: Vec<async_graphql::ID>,
}

/// How a procedure finds its warnings: from its input and its result, under the rights of whoever asks, each time that they are asked
/// for.
pub struct Hints {
    /// The kinds that are read for it.
    pub kinds: &'static [&'static str],
    pub find: for<'a> fn(&'a dyn Reading, input: &'a Value, result: &'a Value) -> Finding<'a>,
}

type Finding<'a> = BoxFuture<'a, Result<Vec<Warning>>>;

impl Hints {
    /// The warnings about a result, in a reading of its own: whatever goes wrong here takes nothing from a mutation that is done.
    pub(crate) async fn read(&self, gateway: &Arc<Gateway>, caller: &Caller, input: &Value, result: &Value) -> Vec<Warning> {
        let planned = Planned { kinds: self.kinds.iter().copied().collect(), ..Planned::default() };
        let mut attributes = vec![("actor_id", caller.principal.to_string()), ("actor_kind", caller.kind.as_str().to_owned())];
        attributes.extend(caller.organization.map(|organization| ("organization_id", organization.to_string())));
        let read = async {
            let snapshot = Reads::new(gateway, *caller, planned).snapshot().await?;
            (self.find)(&*snapshot, input, result).await
        };
        Carried::with(attributes, read).await.unwrap_or_else(|error| {
            error.trace();
            Vec::new()
        })
    }
}
