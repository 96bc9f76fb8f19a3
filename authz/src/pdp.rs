//! The policy decision point, asked over gRPC.

use crate::{
    proto::{
        CheckResourcesRequest, Effect, PlanResourcesRequest, Principal as WirePrincipal, Resource as WireResource,
        ServerInfoRequest, cerbos_service_client::CerbosServiceClient, check_resources_request::ResourceEntry,
        plan_resources_request,
    },
    wire,
};
use prost_types::value::Kind;
use queryplan::{Literal, Plan};
use schema::{Error, Result};
use serde_json::{Map, Value as Json, json};
use std::{error::Error as _, time::Duration};
use tonic::{
    Code as GrpcCode, Request, Status, TimeoutExpired,
    transport::{Channel, Endpoint},
};

/// The principal of a question.
#[derive(Debug, Clone)]
pub struct Principal {
    pub id: String,
    pub roles: Vec<String>,
    pub attributes: Map<String, Json>,
}

/// A question: may the action be done on the resource?
#[derive(Debug, Clone)]
pub struct Question {
    pub action: String,
    pub kind: String,
    pub id: String,
    pub attributes: Map<String, Json>,
}

/// A connection to the PDP. It is kept alive, and re-made when it breaks.
pub struct Pdp {
    client: CerbosServiceClient<Channel>,
    timeout: Duration,
}

/// The most resources in a call: the PDP's own default limit.
const BATCH: usize = 50;

/// The pauses before a call is repeated on another connection.
const PAUSES: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(50)];

impl Pdp {
    /// Connects when first used.
    pub fn new(url: &str, timeout: Duration) -> Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(Error::internal)?
            .connect_timeout(timeout)
            .timeout(timeout)
            .keep_alive_while_idle(true)
            .http2_keep_alive_interval(Duration::from_secs(20));
        Ok(Pdp { client: CerbosServiceClient::new(endpoint.connect_lazy()), timeout })
    }

    pub async fn version(&self) -> Result<String> {
        let answer = self.ask(|mut client| async move { client.server_info(Request::new(ServerInfoRequest {})).await }).await?;
        Ok(answer.version)
    }

    /// The plan for the resources of a kind on which a principal may do this.
    pub async fn plan(&self, principal: &Principal, action: &str, kind: &str) -> Result<Plan> {
        let resource = plan_resources_request::Resource { kind: kind.into(), attr: [].into() };
        let request = PlanResourcesRequest {
            request_id: schema::current_trace_id(),
            action: action.into(),
            principal: Some(principal.wire()),
            resource: Some(resource),
        };
        let answer = self
            .ask(|mut client| {
                let request = request.clone();
                async move { client.plan_resources(Request::new(request)).await }
            })
            .await?;
        let problems: Vec<String> = answer.validation_errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect();
        if !problems.is_empty() {
            tracing::warn!(?problems, action, kind, "the policy's schema refuses this request");
        }
        let plan = answer.filter.as_ref().and_then(wire::plan);
        plan.ok_or_else(|| Error::internal(format!("the plan to {action} {kind} is not whole")))
    }

    /// One answer for each question, in order.
    pub async fn check(&self, principal: &Principal, questions: &[Question]) -> Result<Vec<bool>> {
        let mut answers = Vec::with_capacity(questions.len());
        for batch in questions.chunks(BATCH) {
            let resources = batch.iter().map(Question::wire).collect();
            let request =
                CheckResourcesRequest { request_id: schema::current_trace_id(), principal: Some(principal.wire()), resources };
            let answer = self
                .ask(|mut client| {
                    let request = request.clone();
                    async move { client.check_resources(Request::new(request)).await }
                })
                .await?;
            if answer.results.len() != batch.len() {
                return Err(Error::unavailable("the PDP answered another number of questions"));
            }
            for (question, result) in batch.iter().zip(&answer.results) {
                for problem in &result.validation_errors {
                    tracing::warn!(
                        kind = question.kind,
                        path = problem.path,
                        problem.message,
                        "the policy's schema refuses this request"
                    );
                }
                answers.push(result.actions.get(&question.action) == Some(&(Effect::Allow as i32)));
            }
        }
        Ok(answers)
    }

    /// The output of the first rule that is activated, if it is a text.
    pub async fn output(&self, principal: &Principal, question: Question) -> Result<Option<String>> {
        let request = CheckResourcesRequest {
            request_id: String::new(),
            principal: Some(principal.wire()),
            resources: vec![question.wire()],
        };
        let answer = self
            .ask(|mut client| {
                let request = request.clone();
                async move { client.check_resources(Request::new(request)).await }
            })
            .await?;
        let output = answer.results.first().and_then(|result| result.outputs.first()).and_then(|output| output.val.clone());
        Ok(match output.and_then(|value| value.kind) {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        })
    }

    /// Makes one call, and repeats it if the connection was lost, all in the time of one call.
    async fn ask<T, F, Fut>(&self, call: F) -> Result<T>
    where
        F: Fn(CerbosServiceClient<Channel>) -> Fut,
        Fut: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let asked = tokio::time::timeout(self.timeout, async {
            // The next call may meet the same connection, whose end is not seen yet.
            for pause in PAUSES {
                match call(self.client.clone()).await {
                    Err(status) if lost(&status) => tokio::time::sleep(pause).await,
                    answer => return answer,
                }
            }
            call(self.client.clone()).await
        });
        asked.await.map_err(Error::unavailable)?.map(tonic::Response::into_inner).map_err(Error::unavailable)
    }
}

/// Whether the connection was lost: it ended under the call, as each does when it is old, or there was none. Every failure on
/// this side counts, except an answer that is late.
fn lost(status: &Status) -> bool {
    let mut causes = std::iter::successors(status.source(), |&cause| cause.source());
    status.code() == GrpcCode::Unavailable || (status.source().is_some() && !causes.any(|cause| cause.is::<TimeoutExpired>()))
}

impl Principal {
    /// The principal as a literal, as a plan may name it.
    pub fn literal(&self) -> Literal {
        let document = json!({ "id": self.id, "roles": self.roles, "attr": self.attributes });
        Literal::of(&document).unwrap_or(Literal::Null)
    }

    fn wire(&self) -> WirePrincipal {
        WirePrincipal { id: self.id.clone(), roles: self.roles.clone(), attr: wire::attributes(&self.attributes) }
    }
}

impl Question {
    fn wire(&self) -> ResourceEntry {
        ResourceEntry {
            actions: vec![self.action.clone()],
            resource: Some(WireResource {
                kind: self.kind.clone(),
                id: self.id.clone(),
                attr: wire::attributes(&self.attributes),
            }),
        }
    }
}
