//! The first run of a subscription's document, to learn its topic.

use crate::{
    documents::Document,
    errors::{classify, refused},
    mount::GraphQl,
    request::Prepared,
};
use async_graphql::{Request, Response};
use futures_util::StreamExt;
use resolvers::change::live::{Asked, Delivery};
use schema::{Code, Error};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest document of a subscription, which is kept for as long as the subscription lasts.
const DOCUMENT: usize = 16 * 1024;

/// The reason why there is no subscription.
pub enum Refusal {
    Error(Error),
    Response(Box<Response>),
}

impl Refusal {
    pub fn response(self, document: &Document) -> Response {
        match self {
            Refusal::Response(mut response) => {
                classify(&mut response, Some(&document.tree));
                *response
            }
            Refusal::Error(error) => refused(error),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

/// Runs the document to learn its topic, and the cursor to start from.
pub async fn asked(graphql: &GraphQl, prepared: &Prepared) -> Result<Asked, Refusal> {
    if prepared.query.len() > DOCUMENT {
        let message = format!("A subscription's document has at most {DOCUMENT} bytes.");
        return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into());
    }
    if let Some(name) = prepared.missing_variable() {
        let message = format!("The variable ${name} is required.");
        return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into());
    }
    let delivery = Arc::new(Delivery::Ask(Mutex::default()));
    let mut request = Request::new(prepared.query.clone()).variables(prepared.variables.clone());
    request.operation_name = prepared.operation.clone();
    request.set_parsed_query(prepared.document.tree.clone());
    let mut answers = graphql.schema.execute_stream(request.data(Arc::clone(&delivery)));
    // The run answers only if the document is wrong.
    if let Some(response) = answers.next().await {
        return Err(Refusal::Response(Box::new(response)));
    }
    let Delivery::Ask(slot) = &*delivery else {
        return Err(Error::internal("the delivery is not one that asks").into());
    };
    let asked = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let message = "A subscription has one field; no directive stands before it.";
    asked.ok_or_else(|| Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into())
}

/// The errors of a subscription's document, if there are any.
pub async fn wrong(graphql: &GraphQl, prepared: &Prepared) -> Option<Response> {
    match asked(graphql, prepared).await {
        Ok(_) => None,
        Err(refusal) => Some(refusal.response(&prepared.document)),
    }
}
