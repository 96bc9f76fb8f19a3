//! Decisions about what actors do: the gateway's side of the policy decision point.

use crate::{
    bundle::Bundle,
    kept::{Known, Me, PlanKey, Plans},
    pdp::{Pdp, Principal, Question},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use queryplan::{Bindings, Plan, Rule};
use schema::{
    AccessGrantId, Actor, Check, Code, Decide, Error, OrganizationId, PrincipalId, PrincipalKind, Result, Role, Sight, Through,
};
use sea_orm::Condition;
use serde_json::{Map, Value, json};
use std::{
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tracing::Instrument;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    pub timeout: Duration,
    /// How often the sentinel is asked.
    pub sentinel: Duration,
    /// How long a plan is used: twice as long as the sentinel had named the same policies when it was asked for, within these.
    /// Of several PDPs behind one address, one may change its policies first or last. From half of it on it is asked for
    /// again, beside those who use it. A plan costs the PDP milliseconds: a short life is dear, most of all where each person has plans of their own.
    pub life: [Duration; 2],
}

impl Settings {
    /// How long after the sentinel's last word plans are used: one that is late on a busy machine says nothing of policies.
    pub(crate) fn patience(&self) -> Duration {
        self.sentinel * 5
    }
}

impl Settings {
    pub fn new(url: impl Into<String>) -> Self {
        Settings {
            url: url.into(),
            timeout: Duration::from_secs(2),
            sentinel: Duration::from_secs(1),
            life: [30, 600].map(Duration::from_secs),
        }
    }
}

pub struct Cerbos {
    pdp: Pdp,
    settings: Settings,
    kept: Plans,
    /// Itself, once it is watched: without a sentinel nothing is kept that could be renewed.
    watched: OnceLock<Weak<Cerbos>>,
    /// Many plans that grow old together are renewed one after the other, and few are asked for at a time: else the PDP
    /// would be busy for seconds and the sentinel silent.
    renewing: Arc<Semaphore>,
    planning: Semaphore,
}

/// Plans that are asked for at a time.
const PLANNING: usize = 8;

impl Cerbos {
    /// Connects when first used.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Cerbos {
            pdp: Pdp::new(&settings.url, settings.timeout)?,
            settings,
            kept: Plans::default(),
            watched: OnceLock::new(),
            renewing: Arc::new(Semaphore::new(1)),
            planning: Semaphore::new(PLANNING),
        })
    }

    pub async fn version(&self) -> Result<String> {
        self.pdp.version().await
    }

    /// Asks the sentinel until the last owner is gone.
    pub fn watch(self: &Arc<Self>) {
        let (every, weak) = (self.settings.sentinel, Arc::downgrade(self));
        let _ = self.watched.set(Weak::clone(&weak));
        tokio::spawn(async move {
            while let Some(cerbos) = weak.upgrade() {
                match cerbos.sentinel().await {
                    Ok(bundle) => cerbos.kept.with(|kept| kept.hear(bundle)),
                    Err(error) => {
                        tracing::warn!(cause = ?error.cause(), "the policy decision point does not answer");
                    }
                }
                drop(cerbos);
                tokio::time::sleep(every).await;
            }
        });
    }

    pub async fn sentinel(&self) -> Result<Bundle> {
        let gateway = Principal { id: "gateway".into(), roles: vec!["principal".into()], attributes: Map::new() };
        let question = Question { action: "read".into(), kind: "sentinel".into(), id: "bundle".into(), attributes: Map::new() };
        let said = self.pdp.output(&gateway, question).await?;
        said.as_deref().map(Bundle::read).ok_or_else(|| Error::unavailable("the PDP has no sentinel policy"))
    }

    /// Whether the sentinel has been heard, and is not silent since.
    pub fn heard(&self) -> bool {
        self.kept.with(|kept| kept.fresh(self.settings.patience()).is_some())
    }

    /// What an actor may do this to, as a rule that SQL and memory can both apply.
    pub async fn rule(&self, actor: &Actor, action: &'static str, kind: &'static str) -> Result<Arc<Rule>> {
        let me = Me { principal: actor.principal, organization: actor.organization, told: principal(actor) };
        let asked =
            if self.kept.with(|kept| kept.shares(self.settings.patience())) { stand_in(&me.told) } else { me.told.clone() };
        let key = PlanKey { action, kind, told: told(&asked) };
        let known = self.kept.with(|kept| kept.known(&key, &me, self.settings.patience()));
        let plan = match known {
            Some(Known { rule: Ok(rule), old }) => {
                if old {
                    self.renew(key, asked);
                }
                return Ok(rule);
            }
            Some(Known { rule: Err(plan), .. }) => plan,
            None => match self.asked(&key, &asked).await? {
                Some(plan) => plan,
                // The policies changed just now, and those of before do not say if they tell people apart.
                None => Arc::new(self.plan(&me.told, action, kind).await?),
            },
        };
        let resource = entities::kind(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?.resource;
        let mine = plan.renamed(&[(STAND_IN, &me.told.id), (STAND_IN_FOR, &me.organization.to_string())]);
        let rule = Rule::new(&mine, resource, &me.told.literal())
            .map_err(|refused| Error::internal(format!("{action} {kind}: {refused}")))?;
        let rule = Arc::new(rule);
        self.kept.with(|kept| kept.keep_rule(&key, &plan, &me, &rule));
        Ok(rule)
    }

    /// Nobody waits for it, and a PDP that is busy just now takes nothing from anyone.
    fn renew(&self, key: PlanKey, asked: Principal) {
        let Some(cerbos) = self.watched.get().and_then(Weak::upgrade) else { return };
        let Ok(turn) = Arc::clone(&self.renewing).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = cerbos.asked(&key, &asked).await {
                tracing::debug!(cause = ?error.cause(), "a plan was not renewed");
            }
        });
    }

    /// The plan, asked for once for all who want it now. None: the policies changed meanwhile.
    async fn asked(&self, key: &PlanKey, asked: &Principal) -> Result<Option<Arc<Plan>>> {
        let asking = self.kept.with(|kept| kept.asking(key));
        let found = asking.get_or_init(|| async { self.ask(key, asked).await.map_err(Arc::new) }).await;
        self.kept.with(|kept| kept.asked(key, &asking));
        found.clone().map_err(|error| error.again())
    }

    async fn ask(&self, key: &PlanKey, asked: &Principal) -> Result<Option<Arc<Plan>>> {
        let before = self.kept.with(|kept| kept.heard());
        let at = Instant::now();
        let plan = Arc::new(self.plan(asked, key.action, key.kind).await?);
        if asked.id == STAND_IN {
            // Policies that the sentinel has not named yet might know the stand-in for what it is.
            let now = self.sentinel().await?;
            if !now.serves_many() || before.as_ref().is_none_or(|before| before.bundle != now) {
                return Ok(None);
            }
        }
        self.kept.with(|kept| kept.keep_plan(key, &plan, before, at, &self.settings));
        Ok(Some(plan))
    }

    async fn plan(&self, principal: &Principal, action: &'static str, kind: &'static str) -> Result<Plan> {
        let turn = tokio::time::timeout(self.settings.timeout, self.planning.acquire()).await;
        let _turn = turn.map_err(Error::unavailable)?.map_err(Error::internal)?;
        let span = tracing::info_span!("pdp.plan", action, kind);
        self.pdp.plan(principal, action, kind).instrument(span).await
    }

    /// Plans these actions on these kinds for a sample of principals, and answers with what cannot be
    /// made a condition.
    pub async fn rehearse(&self, asked: &[(&'static str, &'static str)]) -> Result<Vec<String>> {
        let of = |roles: Vec<Role>| {
            let nobody = Actor::own_scope(PrincipalId(uuid::Uuid::from_u128(1)), PrincipalKind::Human);
            // As much as can be said of anyone, so that no rule is planned away.
            let owner = OrganizationId(uuid::Uuid::from_u128(3));
            let through = Through { grant: AccessGrantId(uuid::Uuid::from_u128(4)), owner, acts: true, epoch: 0 };
            let organization = OrganizationId(uuid::Uuid::from_u128(2));
            let organization_type = Some("CONCIERGE_OPERATOR".to_owned());
            Actor { roles, organization, organization_type, delegated: true, through: Some(through), ..nobody }
        };
        let mut refused = Vec::new();
        let reads: Vec<_> = asked.iter().copied().filter(|(action, _)| *action == "read").collect();
        let single = Role::ALL.iter().map(|role| (vec![*role], reads.as_slice()));
        for (roles, asked) in [(Vec::new(), asked), (Role::ALL.to_vec(), asked)].into_iter().chain(single) {
            let actor = of(roles);
            for (action, kind) in asked {
                match self.query_filter(&actor, action, kind, Sight::Across).await {
                    Ok(_) => {}
                    Err(error) if error.code() == Code::INTERNAL => refused.push(format!("{:?}", error.cause())),
                    Err(error) => return Err(error),
                }
            }
        }
        refused.sort();
        refused.dedup();
        Ok(refused)
    }
}

#[async_trait]
impl Decide for Cerbos {
    async fn check(&self, actor: &Actor, checks: &[Check]) -> Result<Vec<bool>> {
        let questions: Vec<_> = checks
            .iter()
            .map(|check| Question {
                action: check.action.into(),
                kind: check.resource.kind.into(),
                id: if check.resource.id.is_nil() { "new".into() } else { check.resource.id.to_string() },
                attributes: check.resource.attributes.as_object().cloned().unwrap_or_default(),
            })
            .collect();
        let span = tracing::info_span!("pdp.check", checks = checks.len());
        self.pdp.check(&principal(actor), &questions).instrument(span).await
    }

    async fn allows(&self, actor: &Actor, check: &Check, now: DateTime<Utc>) -> Result<bool> {
        let rule = self.rule(actor, check.action, check.resource.kind).await?;
        let resource = json!({ "id": check.resource.id, "attr": check.resource.attributes });
        Ok(rule.allows(&resource, now))
    }

    async fn policies(&self) -> Result<String> {
        match self.kept.with(|kept| kept.fresh(self.settings.patience()).cloned()) {
            Some(bundle) => Ok(bundle.hash),
            None => Ok(self.sentinel().await?.hash),
        }
    }

    async fn query_filter(&self, actor: &Actor, action: &'static str, kind: &'static str, sight: Sight) -> Result<Condition> {
        let rule = self.rule(actor, action, kind).await?;
        let resource = entities::kind(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?.resource;
        let mut bindings = Bindings { values: [(kind::ACTING, actor.organization.0.into())].into(), ..Bindings::default() };
        if sight == Sight::Own {
            // Said once by the finder and by row security; said again it would only mislead the planner.
            bindings.equal.insert(kind::ACTING, true);
        }
        let condition = rule.condition(resource.table, &bindings);
        Ok(Condition::all().add(condition.map_err(|refused| Error::internal(format!("{action} {kind}: {refused}")))?))
    }
}

fn principal(actor: &Actor) -> Principal {
    let roles: Vec<_> = actor.roles.iter().map(|role| role.as_str()).collect();
    let mut attributes = Map::from_iter([
        ("kind".to_owned(), Value::from(actor.kind.as_str())),
        ("roles".to_owned(), roles.into()),
        ("organization".to_owned(), actor.organization.to_string().into()),
        ("delegated".to_owned(), actor.delegated.into()),
        ("acts".to_owned(), actor.through.is_some_and(|through| through.acts).into()),
    ]);
    if let Some(kind) = &actor.organization_type {
        attributes.insert("organizationType".into(), kind.clone().into());
    }
    Principal { id: actor.principal.to_string(), roles: vec!["principal".into()], attributes }
}

/// Who is asked for in the place of everyone of the same kind, and in the place of their organization.
const STAND_IN: &str = "00000000-0000-0000-0000-00000000000a";
const STAND_IN_FOR: &str = "00000000-0000-0000-0000-00000000000b";

fn stand_in(principal: &Principal) -> Principal {
    let mut attributes = principal.attributes.clone();
    attributes.insert("organization".to_owned(), STAND_IN_FOR.into());
    Principal { id: STAND_IN.to_owned(), roles: principal.roles.clone(), attributes }
}

/// All that the PDP is told of a principal, as one text.
fn told(principal: &Principal) -> String {
    json!([principal.id, principal.roles, principal.attributes]).to_string()
}
