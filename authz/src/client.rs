//! Decisions about what actors do: the gateway's side of the policy decision point.

use crate::{
    asker::Asker,
    bundle::Bundle,
    facts::Facts,
    filter::ActorFilter,
    kept::{Askers, SharedPlanCache},
    pdp::{Pdp, Principal, Question},
    plan::{Access, PdpPlan},
    settings::Settings,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use queryplan::Rule;
use schema::{
    AccessGrantId, Actor, Check, Code, Decide, Error, Filter, Judge, OrganizationId, PrincipalId, PrincipalKind, Result, Role,
    Sight, Through, Turns, Whose,
};
use serde_json::{Map, json};
use std::{
    sync::{Arc, OnceLock, Weak},
    time::Instant,
};
use tokio::sync::Semaphore;
use tracing::Instrument;

pub struct Cerbos {
    pdp: Pdp,
    settings: Settings,
    kept: SharedPlanCache,
    /// The client itself, once it is watched. Without a sentinel no plan is kept, so none is renewed.
    watched: OnceLock<Weak<Cerbos>>,
    /// The turn to renew a plan. Many plans may grow old together: they are renewed one after the other, and few plans are asked
    /// for at a time. Otherwise the PDP would be busy for seconds and the sentinel silent.
    renewing: Arc<Semaphore>,
    planning: Semaphore,
    /// Questions about single things are asked in turns, organization by organization.
    checking: Turns,
}

/// The most plans that are asked for at a time.
const PLANNING: usize = 8;
/// The most questions that are asked at a time, and the most that wait in one organization.
const CHECKING: usize = 16;
const WAITING: usize = 1_000;

/// The one action that lists are filtered by. A mutation is judged on the one thing that it is about.
const FILTERED: &str = "read";

impl Cerbos {
    /// Connects when first used.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Cerbos {
            pdp: Pdp::new(&settings.url, settings.timeout)?,
            settings,
            kept: SharedPlanCache::default(),
            watched: OnceLock::new(),
            renewing: Arc::new(Semaphore::new(1)),
            planning: Semaphore::new(PLANNING),
            checking: Turns::new(CHECKING, WAITING),
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

    /// Whether the sentinel has been heard, and has not been silent since.
    pub fn heard(&self) -> bool {
        self.kept.with(|kept| kept.fresh(self.settings.patience()).is_some())
    }

    /// The rule for the resources on which an actor may do this. SQL and memory can both apply it.
    pub async fn rule(&self, actor: &Actor, action: &'static str, kind: &'static str) -> Result<Arc<Rule>> {
        let askers = self.askers(actor);
        let plan = self.planned(&askers, Access { action, kind }).await?;
        askers.own.rule(&plan)
    }

    /// The plan for an actor. It gives a rule to the actor's own asker.
    async fn planned(&self, Askers { own, asked, fresh }: &Askers, access: Access) -> Result<Arc<PdpPlan>> {
        if let Some(known) = fresh.then(|| asked.cached(access)).flatten() {
            if known.old {
                self.renew(Arc::clone(asked), access);
            }
            return Ok(known.plan);
        }
        match asked.once(access, self.ask(asked, access)).await? {
            Some(plan) => Ok(plan),
            // The policies changed just now, and the last statement does not say if the new ones tell people apart. So the plan
            // is asked for in the actor's own name, and not kept.
            None => Ok(Arc::new(self.plan(own, access).await?)),
        }
    }

    /// Many plans for an actor, in order. Only some of them wait for the PDP at a time: a query that looks at every kind takes its
    /// turns beside others, and none of its plans waits for all the rest.
    async fn all_planned(&self, askers: &Askers, all: Vec<Access>) -> Result<Vec<Arc<PdpPlan>>> {
        let known = if askers.fresh { askers.asked.all_cached(&all) } else { None };
        if let Some((plans, old)) = known {
            if let Some(access) = old {
                self.renew(Arc::clone(&askers.asked), access);
            }
            return Ok(plans);
        }
        stream::iter(all).map(|access| self.planned(askers, access)).buffered(PLANNING).try_collect().await
    }

    fn askers(&self, actor: &Actor) -> Askers {
        self.kept.with(|kept| kept.askers(Facts::of(actor), self.settings.patience()))
    }

    /// Renews a plan in the background. Nobody waits for the renewal, so a PDP that is busy just now delays no request.
    fn renew(&self, asked: Arc<Asker>, access: Access) {
        let Some(cerbos) = self.watched.get().and_then(Weak::upgrade) else { return };
        let Ok(turn) = Arc::clone(&self.renewing).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = asked.once(access, cerbos.ask(&asked, access)).await {
                tracing::debug!(cause = ?error.cause(), "a plan was not renewed");
            }
        });
    }

    /// Asks the PDP for a plan, and keeps it. None: the policies changed meanwhile.
    async fn ask(&self, asked: &Asker, access: Access) -> Result<Option<Arc<PdpPlan>>> {
        let before = self.kept.with(|kept| kept.heard());
        let at = Instant::now();
        let plan = Arc::new(self.plan(asked, access).await?);
        if asked.is_stand_in() {
            // Policies that the sentinel has not named yet might tell the stand-in from those that it stands for.
            let now = self.sentinel().await?;
            if !now.serves_many() || before.as_ref().is_none_or(|before| before.bundle != now) {
                return Ok(None);
            }
        }
        self.kept.with(|kept| kept.keep(asked, &plan, before, at, &self.settings));
        Ok(Some(plan))
    }

    async fn plan(&self, asked: &Asker, access: Access) -> Result<PdpPlan> {
        let turn = tokio::time::timeout(self.settings.timeout, self.planning.acquire()).await;
        let _turn = turn.map_err(Error::unavailable)?.map_err(Error::internal)?;
        let Access { action, kind } = access;
        let span = tracing::info_span!("pdp.plan", action, kind);
        Ok(PdpPlan::new(access, self.pdp.plan(&asked.principal, action, kind).instrument(span).await?))
    }

    /// Plans the reading of these kinds for a sample of principals, and returns the reasons why a plan cannot be made a
    /// condition.
    pub async fn rehearse(&self, kinds: &[&'static str]) -> Result<Vec<String>> {
        let of = |roles: Vec<Role>| {
            let nobody = Actor::own_scope(PrincipalId(uuid::Uuid::from_u128(1)), PrincipalKind::Human);
            // The sample has every fact that anyone can have, so that no rule is planned away.
            let owner = OrganizationId(uuid::Uuid::from_u128(3));
            let through = Through { grant: AccessGrantId(uuid::Uuid::from_u128(4)), owner, acts: true, epoch: 0 };
            let organization = OrganizationId(uuid::Uuid::from_u128(2));
            let organization_type = Some("CONCIERGE_OPERATOR".to_owned());
            Actor { roles, organization, organization_type, delegated: true, through: Some(through), ..nobody }
        };
        let single = Role::ALL.iter().map(|role| vec![*role]);
        let actors: Vec<Actor> = [Vec::new(), Role::ALL.to_vec()].into_iter().chain(single).map(of).collect();
        let questions = actors.iter().flat_map(|actor| kinds.iter().map(move |kind| (actor, *kind)));
        let mut answers = stream::iter(questions)
            .map(|(actor, kind)| self.query_filter(actor, FILTERED, kind, Sight::Across))
            .buffer_unordered(PLANNING);
        let mut refused = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) => {}
                Err(error) if error.code() == Code::INTERNAL => refused.push(format!("{:?}", error.cause())),
                Err(error) => return Err(error),
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
        let whose = Whose { tenant: actor.organization.0, person: actor.principal.0 };
        let crowded = |_| Error::unavailable("too many questions of the organization wait");
        let _turn = self.checking.take(whose, 1).await.map_err(crowded)?;
        let span = tracing::info_span!("pdp.check", checks = checks.len());
        self.pdp.check(&Facts::of(actor).principal(), &questions).instrument(span).await
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

    async fn filters(&self, actor: &Actor, action: &'static str, kinds: &[&'static str]) -> Result<Vec<Box<dyn Filter>>> {
        // No other action is rehearsed at the start.
        if action != FILTERED {
            return Err(Error::internal(format!("lists are filtered by {FILTERED}, not by {action}")));
        }
        let askers = self.askers(actor);
        let plans = self.all_planned(&askers, kinds.iter().map(|kind| Access { action, kind }).collect()).await?;
        let filter = |plan| Box::new(ActorFilter { asker: Arc::clone(&askers.own), plan }) as Box<dyn Filter>;
        Ok(plans.into_iter().map(filter).collect())
    }

    async fn judges(&self, actor: &Actor, asked: &[(&'static str, &'static str)]) -> Result<Vec<Box<dyn Judge>>> {
        let askers = self.askers(actor);
        let plans = self.all_planned(&askers, asked.iter().map(|(kind, action)| Access { action, kind }).collect()).await?;
        let judge = |plan| Box::new(ActorFilter { asker: Arc::clone(&askers.own), plan }) as Box<dyn Judge>;
        Ok(plans.into_iter().map(judge).collect())
    }
}
