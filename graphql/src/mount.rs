//! The surface as it is mounted: schemas, caches, and the run of a request.

use crate::{
    documents::{Document, DocumentCache},
    errors::{classify, code_of, refused},
    live::shapes::ShapeCache,
    looks::Looks,
    request::Prepared,
    roots::{GatewaySchema, proven, schema},
    turns::Turns,
};
use async_graphql::{Request, Response, parser::types::OperationType};
use schema::{Caller, Carried, Code, Error, Reads, Result};
use std::sync::Arc;
use surface::Mount;

#[derive(Clone)]
pub struct GraphQl {
    pub schema: GatewaySchema,
    /// The schema for documents that are known to be valid.
    pub proven: GatewaySchema,
    pub documents: DocumentCache,
    pub mount: Mount,
    pub live: Arc<::live::Hub>,
    pub shapes: ShapeCache,
    /// Limits the answers to subscribers that are made at a time.
    pub turns: Arc<Turns>,
    pub looks: Arc<Looks>,
}

impl GraphQl {
    pub fn new(mount: Mount, live: Arc<::live::Hub>, introspection: bool) -> GraphQl {
        // Subscriptions leave most connections to requests.
        let some = (mount.gateway.pool.options().get_max_connections() / 4).max(2) as usize;
        GraphQl {
            schema: schema(introspection),
            proven: proven(introspection),
            documents: DocumentCache::default(),
            mount,
            live,
            shapes: ShapeCache::default(),
            turns: Arc::new(Turns::new(some)),
            looks: Arc::new(Looks::new(some)),
        }
    }

    /// Parses the document, or finds it in the cache. A document that cannot be parsed is answered at once.
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
                    // The engine parses the text once more, to report the position of the problem.
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
        let most = self.mount.gateway.limits.cost;
        let cost = match prepared.document.costs.ensure(prepared.operation.as_deref(), &prepared.variables, most) {
            Ok(cost) => cost,
            Err(error) => return refused(error),
        };
        let mut response = Carried::request(self.run(caller, prepared)).await;
        response.extensions.insert("cost".into(), cost.value());
        response
    }

    async fn run(&self, caller: Caller, prepared: Prepared) -> Response {
        let gateway = &self.mount.gateway;
        let changes = prepared.operation_type() == OperationType::Mutation;
        let Prepared { query, operation, variables, document } = prepared;
        let shape = self.documents.shape(operation.as_deref(), &variables);
        let proven = document.is_valid(shape);
        let mut request = Request::new(query).variables(variables);
        request.operation_name = operation;
        request.set_parsed_query(document.tree.clone());
        let reads = Arc::new(Reads::new(gateway, caller, document.planned.clone()));
        let request = request.data(Arc::clone(gateway)).data(caller).data(Arc::clone(&reads));
        let schema = if proven { &self.proven } else { &self.schema };
        // The future is large: in a box, only a pointer is moved.
        let running = Box::pin(schema.execute(request));
        let mut response = if changes {
            running.await
        } else {
            match tokio::time::timeout(gateway.limits.time, running).await {
                Ok(response) => response,
                // Dropped, it ends its statement.
                Err(_) => return refused(Error::new(Code::DEADLINE_EXCEEDED)),
            }
        };
        if too_large(&reads, &response) {
            return refused(Error::new(Code::ANSWER_TOO_LARGE));
        }
        // Errors with a path come from execution, so that the document was valid.
        if !proven && response.errors.iter().all(|error| !error.path.is_empty()) {
            document.found_valid(shape);
        }
        // The transaction ends before the answer is written.
        reads.close().await;
        classify(&mut response, Some(&document.tree));
        if let Some(code) = response.errors.first().and_then(code_of) {
            tracing::Span::current().record("error.code", code);
        }
        response
    }
}

/// Whether an answer, or the rows that it is made of, became too large: then all of it fails.
pub fn too_large(reads: &Reads, response: &Response) -> bool {
    reads.overfull() || response.errors.iter().filter_map(code_of).any(|code| code == Code::ANSWER_TOO_LARGE.as_str())
}
