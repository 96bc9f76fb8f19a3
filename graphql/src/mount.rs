//! The surface as it is mounted: schemas, caches, and the run of a request.

use crate::live::pace::Paces;
use crate::{
    cost::Cost,
    documents::{Document, DocumentCache},
    errors::{classify, code_of, refused},
    live::shapes::ShapeCache,
    looks::Looks,
    request::Prepared,
    roots::{GatewaySchema, proven, schema},
    seats::{Seat, Seats},
};
use async_graphql::{Request, Response, parser::types::OperationType};
use schema::{Admitted, Caller, Carried, Code, Error, PrincipalId, REQUEST, Reads, Result, Turn, Turns, slowly};
use std::sync::Arc;
use surface::Mount;

/// The most of one organization's subscribers for whom an answer waits to be made.
const WAITING: usize = 100_000;

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
    pub turns: Turns,
    /// The pace at which subscribers are told something.
    pub paces: Paces,
    pub looks: Arc<Looks>,
    /// The live connections of each person.
    pub connections: Arc<Seats<PrincipalId>>,
}

impl GraphQl {
    pub fn new(mount: Mount, live: Arc<::live::Hub>, introspection: bool) -> GraphQl {
        // Subscriptions leave most connections to requests.
        let some = (mount.gateway.pool.options().get_max_connections() / 4).max(2) as usize;
        let connections = Arc::new(Seats::new(mount.gateway.limits.connections));
        GraphQl {
            schema: schema(introspection),
            proven: proven(introspection),
            documents: DocumentCache::default(),
            mount,
            live,
            shapes: ShapeCache::default(),
            turns: Turns::new(some, WAITING),
            paces: Paces::default(),
            looks: Arc::new(Looks::new(some)),
            connections,
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
                // Nothing is parsed for nothing.
                if let Err(error) = self.mount.gateway.rates.text(caller, request.query.len()) {
                    return Err(slowly(error).await);
                }
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

    /// A seat for one more live connection of a caller.
    pub fn connection(&self, caller: &Caller) -> Result<Seat> {
        let full = || {
            Error::new(Code::TOO_MANY_CONNECTIONS).details(serde_json::json!({ "limit": self.mount.gateway.limits.connections }))
        };
        self.connections.sit(caller.principal).ok_or_else(full)
    }

    /// Lets a document in, if it costs no more than one may, and its caller may still spend that.
    pub async fn admit(&self, caller: &Caller, prepared: &Prepared) -> Result<(Cost, Admitted)> {
        let most = self.mount.gateway.limits.cost;
        let cost = match prepared.document.costs.ensure(prepared.operation.as_deref(), &prepared.variables, most) {
            Ok(cost) => cost,
            Err(dear) => {
                // A refusal is work, too.
                self.mount.gateway.admit(caller, REQUEST).await?;
                return Err(dear);
            }
        };
        Ok((cost, self.mount.gateway.admit(caller, REQUEST + cost.rows).await?))
    }

    /// Runs a query or a mutation. The answer has room in memory until it is taken.
    pub async fn execute(&self, caller: Caller, prepared: Prepared) -> Result<(Response, Option<Turn>)> {
        let (cost, admitted) = self.admit(&caller, &prepared).await?;
        let mut room = None;
        let mut response = Carried::request(self.run(caller, prepared, admitted, &mut room)).await;
        response.extensions.insert("cost".into(), cost.value());
        Ok((response, room))
    }

    async fn run(&self, caller: Caller, prepared: Prepared, admitted: Admitted, room: &mut Option<Turn>) -> Response {
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
        let made = async {
            // A mutation waits for its turn where it is carried out.
            let _turn = if changes { None } else { Some(gateway.turn(admitted).await?) };
            let response = running.await;
            // Whoever waits for room waits with what it was made by: little more is made meanwhile.
            *room = gateway.room(&caller, reads.bytes()).await?;
            Ok(response)
        };
        let most = if changes { gateway.limits.answer + gateway.limits.time } else { gateway.limits.time };
        let mut response = match tokio::time::timeout(most, made).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return refused(error),
            // Dropped, it ends its statement. A mutation that was begun goes on by itself.
            Err(_) => return refused(Error::new(Code::DEADLINE_EXCEEDED)),
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
