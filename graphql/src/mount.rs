//! The surface as it is mounted: schemas, what is kept beside them, and how a request runs.

use crate::{
    documents::{Document, Documents},
    errors::{classify, code_of},
    live::shapes::Shapes,
    looks::Looks,
    request::Prepared,
    roots::{GatewaySchema, proven, schema},
    turns::Turns,
};
use async_graphql::{Request, Response};
use schema::{Caller, Reads, Result};
use std::sync::Arc;
use surface::Mount;

#[derive(Clone)]
pub struct GraphQl {
    pub schema: GatewaySchema,
    /// The same, for what is known to be valid.
    pub proven: GatewaySchema,
    pub documents: Documents,
    pub mount: Mount,
    pub live: Arc<::live::Hub>,
    pub shapes: Shapes,
    /// For making answers to subscribers, and for looking what they may see.
    pub turns: Arc<Turns>,
    pub looks: Arc<Looks>,
}

impl GraphQl {
    pub fn new(mount: Mount, live: Arc<::live::Hub>, introspection: bool) -> GraphQl {
        // Those who wait leave most connections to those who ask.
        let some = (mount.gateway.pool.options().get_max_connections() / 4).max(2) as usize;
        GraphQl {
            schema: schema(introspection),
            proven: proven(introspection),
            documents: Documents::default(),
            mount,
            live,
            shapes: Shapes::default(),
            turns: Arc::new(Turns::new(some)),
            looks: Arc::new(Looks::new(some)),
        }
    }

    /// Reads the document. One that cannot be read is answered at once.
    pub async fn prepare(&self, caller: &Caller, mut request: Request) -> Result<Result<Prepared, Box<Response>>> {
        let span = tracing::Span::current();
        span.record("actor_id", tracing::field::display(caller.principal));
        span.record("actor_kind", caller.kind.as_str());
        if let Some(organization) = caller.organization {
            span.record("organization_id", tracing::field::display(organization));
        }
        if let Some(name) = &request.operation_name {
            span.record("graphql.operation.name", name.as_str());
        }
        let document = match self.documents.find(&request.query) {
            Some(document) => document,
            None => {
                let Ok(tree) = request.parsed_query().cloned() else {
                    // It is parsed again below, for the place of the problem.
                    let mut response = self.schema.execute(request).await;
                    classify(&mut response, None);
                    return Ok(Err(Box::new(response)));
                };
                let document = Arc::new(Document::new(tree)?);
                self.documents.keep(&request.query, &document);
                document
            }
        };
        let Request { query, operation_name: operation, variables, .. } = request;
        Ok(Ok(Prepared { query, operation, variables, document }))
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, caller: Caller, prepared: Prepared) -> Response {
        let gateway = &self.mount.gateway;
        let Prepared { query, operation, variables, document } = prepared;
        let shape = self.documents.shape(operation.as_deref(), &variables);
        let proven = document.is_valid(shape);
        let mut request = Request::new(query).variables(variables);
        request.operation_name = operation;
        request.set_parsed_query(document.tree.clone());
        let reads = Arc::new(Reads::new(gateway, caller, document.planned.clone()));
        let request = request.data(Arc::clone(gateway)).data(caller).data(Arc::clone(&reads));
        let schema = if proven { &self.proven } else { &self.schema };
        // Large, and moved about: what is moved is where it is.
        let mut response = Box::pin(schema.execute(request)).await;
        // Whatever went wrong has a place in the answer: it was run, so it was valid.
        if !proven && response.errors.iter().all(|error| !error.path.is_empty()) {
            document.found_valid(shape);
        }
        // The transaction is not held while the answer is written.
        reads.close().await;
        classify(&mut response, Some(&document.tree));
        if let Some(code) = response.errors.first().and_then(code_of) {
            tracing::Span::current().record("error.code", code);
        }
        response
    }
}
