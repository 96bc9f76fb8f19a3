//! The size of an answer, counted while it is made. Values that come field by field are counted here; those of a list that is made
//! in one pass, there (`kind::one_pass`).

use async_graphql::{
    ServerError, ServerResult, Value,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};
use async_trait::async_trait;
use kind::one_pass::{OBJECT, size};
use schema::{Code, Error, Reads};
use std::sync::Arc;

/// Ends the work on an answer that is larger than it may be.
pub struct Bounds;

impl ExtensionFactory for Bounds {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Bounds)
    }
}

#[async_trait]
impl Extension for Bounds {
    async fn resolve(
        &self,
        cx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(reads) = cx.data_opt::<Arc<Reads>>() else { return next.run(cx, info).await };
        if reads.overfull() {
            return Err(overfull());
        }
        let value = next.run(cx, info).await?;
        let bytes = match &value {
            None => 0,
            // What lies within was counted where it was made.
            Some(Value::Object(_)) => OBJECT,
            Some(Value::List(items)) if items.iter().any(|item| matches!(item, Value::Object(_) | Value::List(_))) => {
                OBJECT.saturating_mul(i64::try_from(items.len()).unwrap_or(i64::MAX))
            }
            Some(value) => size(value),
        };
        if reads.grow(bytes) { Ok(value) } else { Err(overfull()) }
    }
}

fn overfull() -> ServerError {
    async_graphql::Error::from(Error::new(Code::ANSWER_TOO_LARGE)).into_server_error(async_graphql::Pos::default())
}
