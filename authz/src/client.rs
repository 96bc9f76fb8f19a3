use crate::{
    plan::{Filter, translate},
    proto::{
        CheckResourcesRequest, Effect, PlanResourcesFilter, PlanResourcesRequest, Principal, Resource, ServerInfoRequest,
        cerbos_service_client::CerbosServiceClient, check_resources_request::ResourceEntry, plan_resources_request,
    },
};
use async_trait::async_trait;
use prost_types::value::Kind;
use schema::{Actor, Check, Decide, Error, Result};
use sea_orm::Condition;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tonic::{
    Code as GrpcCode, Request, Status,
    transport::{Channel, Endpoint},
};
use tracing::Instrument;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    pub timeout: Duration,
    /// How often the sentinel is asked; a cached plan is used no longer than twice this after the
    /// last answer.
    pub sentinel: Duration,
}

impl Settings {
    pub fn new(url: impl Into<String>) -> Self {
        Settings { url: url.into(), timeout: Duration::from_secs(2), sentinel: Duration::from_secs(1) }
    }
}

/// A connection to the PDP. It is kept alive, and re-made when it breaks.
pub struct Cerbos {
    client: CerbosServiceClient<Channel>,
    settings: Settings,
    plans: Plans,
}

/// At most this many resources in a call: the PDP's own default limit.
const BATCH: usize = 50;
const CACHED_PLANS: usize = 10_000;

type PlanKey = (&'static str, &'static str, String);

/// Plans are a pure function of the policies and the principal's attributes: kept until the
/// sentinel names other policies, and not used while it is silent.
#[derive(Default)]
struct Plans(Mutex<PlanCache>);

#[derive(Default)]
struct PlanCache {
    bundle: Option<(String, Instant)>,
    kept: HashMap<PlanKey, Arc<PlanResourcesFilter>>,
}

impl Plans {
    fn with<T>(&self, work: impl FnOnce(&mut PlanCache) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cerbos {
    /// Connects when first used.
    pub fn new(settings: Settings) -> Result<Self> {
        let endpoint = Endpoint::from_shared(settings.url.clone())
            .map_err(Error::internal)?
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout)
            .keep_alive_while_idle(true)
            .http2_keep_alive_interval(Duration::from_secs(20));
        let client = CerbosServiceClient::new(endpoint.connect_lazy());
        Ok(Cerbos { client, settings, plans: Plans::default() })
    }

    /// Asks for the bundle's hash until the last owner is gone.
    pub fn watch(self: &Arc<Self>) {
        let (every, weak) = (self.settings.sentinel, Arc::downgrade(self));
        tokio::spawn(async move {
            while let Some(cerbos) = weak.upgrade() {
                match cerbos.sentinel().await {
                    Ok(bundle) => cerbos.plans.with(|plans| {
                        if plans.bundle.as_ref().is_none_or(|(known, _)| *known != bundle) {
                            plans.kept.clear();
                        }
                        plans.bundle = Some((bundle, Instant::now()));
                    }),
                    Err(error) => {
                        tracing::warn!(cause = ?error.cause(), "the policy decision point does not answer");
                        cerbos.plans.with(|plans| *plans = PlanCache::default());
                    }
                }
                drop(cerbos);
                tokio::time::sleep(every).await;
            }
        });
    }

    /// The hash of the policies that the PDP decides by.
    pub async fn sentinel(&self) -> Result<String> {
        let principal = Principal { id: "gateway".into(), roles: vec!["principal".into()], attr: [].into() };
        let resource = Resource { kind: "sentinel".into(), id: "bundle".into(), attr: [].into() };
        let entry = ResourceEntry { actions: vec!["read".into()], resource: Some(resource) };
        let request = CheckResourcesRequest { request_id: String::new(), principal: Some(principal), resources: vec![entry] };
        let answer = self
            .ask(|mut client| {
                let request = request.clone();
                async move { client.check_resources(Request::new(request)).await }
            })
            .await?;
        let output = answer.results.first().and_then(|result| result.outputs.first()).and_then(|output| output.val.clone());
        match output.and_then(|value| value.kind) {
            Some(Kind::StringValue(hash)) => Ok(hash),
            _ => Err(Error::unavailable("the PDP has no sentinel policy")),
        }
    }

    pub async fn version(&self) -> Result<String> {
        let answer = self.ask(|mut client| async move { client.server_info(Request::new(ServerInfoRequest {})).await }).await?;
        Ok(answer.version)
    }

    /// One call, once more if the connection was lost.
    async fn ask<T, F, Fut>(&self, call: F) -> Result<T>
    where
        F: Fn(CerbosServiceClient<Channel>) -> Fut,
        Fut: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let mut answer = call(self.client.clone()).await;
        if matches!(&answer, Err(status) if status.code() == GrpcCode::Unavailable) {
            answer = call(self.client.clone()).await;
        }
        answer.map(tonic::Response::into_inner).map_err(Error::unavailable)
    }

    async fn plan(&self, actor: &Actor, action: &'static str, kind: &'static str) -> Result<Arc<PlanResourcesFilter>> {
        let principal = principal(actor);
        let key = (action, kind, canonical(actor));
        let fresh = self.settings.sentinel * 2;
        let cached = self.plans.with(|plans| {
            let alive = plans.bundle.as_ref().is_some_and(|(_, heard)| heard.elapsed() < fresh);
            if alive { plans.kept.get(&key).cloned() } else { None }
        });
        if let Some(plan) = cached {
            return Ok(plan);
        }
        let before = self.plans.with(|plans| plans.bundle.clone().map(|(hash, _)| hash));
        let resource = plan_resources_request::Resource { kind: kind.into(), attr: [].into() };
        let request = PlanResourcesRequest {
            request_id: schema::current_trace_id(),
            action: action.into(),
            principal: Some(principal),
            resource: Some(resource),
        };
        let span = tracing::info_span!("pdp.plan", action, kind);
        let answer = self
            .ask(|mut client| {
                let request = request.clone();
                async move { client.plan_resources(Request::new(request)).await }
            })
            .instrument(span)
            .await?;
        let problems: Vec<String> = answer.validation_errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect();
        let filter = answer.filter.ok_or_else(|| Error::internal("a plan without a filter"))?;
        if !problems.is_empty() {
            tracing::warn!(?problems, action, kind, "the policy's schema refuses this request");
        }
        let plan = Arc::new(filter);
        self.plans.with(|plans| {
            // Only if the policies are still those that it was asked under.
            if plans.bundle.as_ref().map(|(hash, _)| hash) == before.as_ref() {
                if plans.kept.len() >= CACHED_PLANS {
                    plans.kept.clear();
                }
                plans.kept.insert(key, Arc::clone(&plan));
            }
        });
        Ok(plan)
    }
}

#[async_trait]
impl Decide for Cerbos {
    async fn check(&self, actor: &Actor, checks: &[Check]) -> Result<Vec<bool>> {
        let mut answers = Vec::with_capacity(checks.len());
        for batch in checks.chunks(BATCH) {
            let resources = batch
                .iter()
                .map(|check| ResourceEntry {
                    actions: vec![check.action.into()],
                    resource: Some(Resource {
                        kind: check.resource.kind.into(),
                        id: if check.resource.id.is_nil() { "new".into() } else { check.resource.id.to_string() },
                        attr: attributes(&check.resource.attributes),
                    }),
                })
                .collect();
            let request =
                CheckResourcesRequest { request_id: schema::current_trace_id(), principal: Some(principal(actor)), resources };
            let span = tracing::info_span!("pdp.check", checks = batch.len());
            let answer = self
                .ask(|mut client| {
                    let request = request.clone();
                    async move { client.check_resources(Request::new(request)).await }
                })
                .instrument(span)
                .await?;
            if answer.results.len() != batch.len() {
                return Err(Error::unavailable("the PDP answered another number of questions"));
            }
            for (check, result) in batch.iter().zip(&answer.results) {
                for problem in &result.validation_errors {
                    tracing::warn!(
                        kind = check.resource.kind,
                        path = problem.path,
                        problem.message,
                        "the policy's schema refuses this request"
                    );
                }
                answers.push(result.actions.get(check.action) == Some(&(Effect::Allow as i32)));
            }
        }
        Ok(answers)
    }

    async fn query_filter(&self, actor: &Actor, action: &'static str, kind: &'static str) -> Result<Condition> {
        let plan = self.plan(actor, action, kind).await?;
        let attributes = entities::attributes(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?;
        let filter = Filter { plan: &plan, attributes, acting: actor.organization };
        translate(&filter).map_err(|problem| Error::internal(format!("{action} {kind}: {problem}")))
    }
}

fn principal(actor: &Actor) -> Principal {
    let text = |text: String| value(&serde_json::Value::String(text));
    let roles = serde_json::Value::from(actor.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>());
    let mut attr: HashMap<String, prost_types::Value> = HashMap::from([
        ("kind".into(), text(actor.kind.as_str().into())),
        ("roles".into(), value(&roles)),
        ("organization".into(), text(actor.organization.to_string())),
    ]);
    if let Some(kind) = &actor.organization_type {
        attr.insert("organizationType".into(), text(kind.clone()));
    }
    Principal { id: actor.principal.to_string(), roles: vec!["principal".into()], attr }
}

/// All that a plan can depend on, of the principal.
fn canonical(actor: &Actor) -> String {
    let roles: Vec<_> = actor.roles.iter().map(|role| role.as_str()).collect();
    format!(
        "{}|{}|{}|{:?}|{}",
        actor.principal,
        actor.kind.as_str(),
        actor.organization,
        actor.organization_type,
        roles.join(",")
    )
}

fn attributes(object: &serde_json::Value) -> HashMap<String, prost_types::Value> {
    object.as_object().into_iter().flatten().map(|(name, each)| (name.clone(), value(each))).collect()
}

fn value(json: &serde_json::Value) -> prost_types::Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(b) => Kind::BoolValue(*b),
        Json::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(s) => Kind::StringValue(s.clone()),
        Json::Array(all) => Kind::ListValue(prost_types::ListValue { values: all.iter().map(value).collect() }),
        Json::Object(all) => Kind::StructValue(prost_types::Struct {
            fields: all.iter().map(|(name, each)| (name.clone(), value(each))).collect::<BTreeMap<_, _>>(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// The hash that the sentinel policy carries: of every other file under the policies' folder.
pub fn bundle_hash(folder: &Path) -> std::io::Result<String> {
    fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                files(&path, into)?;
            } else if path.file_name().is_some_and(|name| name != "sentinel.yaml") {
                into.push(path);
            }
        }
        Ok(())
    }
    let mut all = Vec::new();
    files(folder, &mut all)?;
    all.sort();
    let mut hash = Sha256::new();
    for path in all {
        hash.update(path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(std::fs::read(&path)?);
        hash.update([0]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
