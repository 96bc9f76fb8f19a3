//! Decisions about what actors do: the gateway's side of the policy decision point.

use crate::pdp::{Pdp, Principal, Question};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use queryplan::{Bindings, Rule};
use schema::{
    AccessGrantId, Actor, Check, Code, Decide, Error, OrganizationId, PrincipalId, PrincipalKind, Result, Role, Sight, Through,
};
use sea_orm::Condition;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{OnceCell, Semaphore};
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
    /// again, beside those who use it. A plan costs the PDP milliseconds, and everyone has some: a short life is dear.
    pub life: [Duration; 2],
}

impl Settings {
    /// How long after the sentinel's last word plans are used: one that is late on a busy machine says nothing of policies.
    fn patience(&self) -> Duration {
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
    rules: Rules,
    /// Itself, once it is watched: without a sentinel nothing is kept that could be renewed.
    watched: OnceLock<Weak<Cerbos>>,
    /// Many plans that grow old together are renewed one after the other, and few are asked for at a time: else the PDP
    /// would be busy for seconds and the sentinel silent.
    renewing: Arc<Semaphore>,
    planning: Semaphore,
}

const KEPT: usize = 10_000;
/// Plans that are asked for at a time.
const PLANNING: usize = 8;
/// Action, kind, and all that the PDP is told of the principal.
type RuleKey = (&'static str, &'static str, String);

/// A plan is a pure function of the policies and of what the PDP is told of the principal, unless the
/// policies use the clock. So it is kept until the sentinel names other policies, not at all if these
/// use the clock, and not used while the sentinel is silent.
#[derive(Default)]
struct Rules(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    heard: Option<Heard>,
    rules: HashMap<RuleKey, KeptRule>,
    /// What is being asked just now: many who want the same ask once.
    asking: HashMap<RuleKey, Arc<Asking>>,
}

struct KeptRule {
    rule: Arc<Rule>,
    /// From when on it is asked for again, and until when it is used.
    renew: Instant,
    until: Instant,
}

/// What the sentinel says, since when and when last.
#[derive(Clone)]
struct Heard {
    bundle: Bundle,
    since: Instant,
    last: Instant,
}

impl Kept {
    fn fresh(&self, within: Duration) -> Option<&Bundle> {
        self.heard.as_ref().filter(|heard| heard.last.elapsed() < within).map(|heard| &heard.bundle)
    }
}

/// What came of it, a failure too: those who waited for it do not each wait for another.
type Asking = OnceCell<Result<Arc<Rule>, Arc<Error>>>;

impl Rules {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the sentinel says of the policies that the PDP decides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub hash: String,
    /// Whether a condition of theirs depends on the time.
    pub clock: bool,
}

const CLOCK: &str = " clock";

impl Bundle {
    fn read(said: &str) -> Bundle {
        let (hash, clock) = match said.strip_suffix(CLOCK) {
            Some(hash) => (hash, true),
            None => (said, false),
        };
        Bundle { hash: hash.to_owned(), clock }
    }

    /// What the sentinel has to say of the policies in a folder.
    pub fn of(folder: &Path) -> std::io::Result<String> {
        let mut all = Vec::new();
        files(folder, &mut all)?;
        // Tests of policies decide nothing.
        all.retain(|path| *path != folder.join("sentinel.yaml") && !path.starts_with(folder.join("tests")));
        all.sort();
        let mut hash = Sha256::new();
        let mut clock = false;
        for path in all {
            let text = std::fs::read(&path)?;
            hash.update(path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().as_bytes());
            hash.update([0]);
            hash.update(&text);
            hash.update([0]);
            let text = String::from_utf8_lossy(&text);
            clock |= text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| ["now", "timeSince"].contains(&word));
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(if clock { hash + CLOCK } else { hash })
    }
}

fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

impl Cerbos {
    /// Connects when first used.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Cerbos {
            pdp: Pdp::new(&settings.url, settings.timeout)?,
            settings,
            rules: Rules::default(),
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
                    Ok(bundle) => cerbos.rules.with(|kept| {
                        let now = Instant::now();
                        match &mut kept.heard {
                            Some(heard) if heard.bundle == bundle => heard.last = now,
                            _ => *kept = Kept { heard: Some(Heard { bundle, since: now, last: now }), ..Kept::default() },
                        }
                    }),
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
        self.rules.with(|kept| kept.fresh(self.settings.patience()).is_some())
    }

    /// What an actor may do this to, as a rule that SQL and memory can both apply.
    pub async fn rule(&self, actor: &Actor, action: &'static str, kind: &'static str) -> Result<Arc<Rule>> {
        let principal = principal(actor);
        let key = (action, kind, told(&principal));
        let now = Instant::now();
        let (known, old) = self.rules.with(|kept| {
            let heard = kept.fresh(self.settings.patience()).is_some();
            let known = kept.rules.get(&key).filter(|known| heard && now < known.until);
            let old = known.is_some_and(|known| known.renew <= now) && !kept.asking.contains_key(&key);
            (known.map(|known| Arc::clone(&known.rule)), old)
        });
        let Some(known) = known else { return self.asked(key, principal).await };
        if old {
            // Nobody waits for it, and a PDP that is busy just now takes nothing from anyone.
            if let Some(cerbos) = self.watched.get().and_then(Weak::upgrade)
                && let Ok(turn) = Arc::clone(&self.renewing).try_acquire_owned()
            {
                tokio::spawn(async move {
                    let _turn = turn;
                    if let Err(error) = cerbos.asked(key, principal).await {
                        tracing::debug!(cause = ?error.cause(), "a plan was not renewed");
                    }
                });
            }
        }
        Ok(known)
    }

    /// The plan, asked for once for all who want it now.
    async fn asked(&self, key: RuleKey, principal: Principal) -> Result<Arc<Rule>> {
        let asking = self.rules.with(|kept| {
            if kept.asking.len() >= KEPT {
                // Those whose askers all went away.
                kept.asking.retain(|_, asking| Arc::strong_count(asking) > 1);
            }
            Arc::clone(kept.asking.entry(key.clone()).or_default())
        });
        let found = asking.get_or_init(|| async { self.ask(&key, &principal).await.map_err(Arc::new) }).await;
        self.rules.with(|kept| {
            if kept.asking.get(&key).is_some_and(|known| Arc::ptr_eq(known, &asking)) {
                kept.asking.remove(&key);
            }
        });
        found.as_ref().map(Arc::clone).map_err(|error| error.again())
    }

    async fn ask(&self, key: &RuleKey, principal: &Principal) -> Result<Arc<Rule>> {
        let (action, kind) = (key.0, key.1);
        let before = self.rules.with(|kept| kept.heard.clone());
        let resource = entities::resource(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?;
        let turn = tokio::time::timeout(self.settings.timeout, self.planning.acquire()).await;
        let _turn = turn.map_err(Error::unavailable)?.map_err(Error::internal)?;
        let asked = Instant::now();
        let span = tracing::info_span!("pdp.plan", action, kind);
        let plan = self.pdp.plan(principal, action, kind).instrument(span).await?;
        let rule = Rule::new(&plan, resource, &principal.literal())
            .map_err(|refused| Error::internal(format!("{action} {kind}: {refused}")))?;
        let rule = Arc::new(rule);
        self.rules.with(|kept| {
            // Only if the policies are still those that it was asked under.
            let (Some(before), Some(heard)) = (before, &kept.heard) else { return };
            // What was asked in a silence may be of policies that nobody named.
            if before.since == heard.since && !heard.bundle.clock && heard.last.elapsed() < self.settings.patience() {
                let [soon, most] = self.settings.life;
                let until = asked + (asked.duration_since(heard.since) * 2).clamp(soon, most);
                if kept.rules.len() >= KEPT {
                    kept.rules.clear();
                }
                let renew = asked + (until - asked) / 2;
                kept.rules.insert(key.clone(), KeptRule { rule: Arc::clone(&rule), renew, until });
            }
        });
        Ok(rule)
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
                    Err(error) if error.code() == Code::Internal => refused.push(format!("{:?}", error.cause())),
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
        match self.rules.with(|kept| kept.fresh(self.settings.patience()).cloned()) {
            Some(bundle) => Ok(bundle.hash),
            None => Ok(self.sentinel().await?.hash),
        }
    }

    async fn query_filter(&self, actor: &Actor, action: &'static str, kind: &'static str, sight: Sight) -> Result<Condition> {
        let rule = self.rule(actor, action, kind).await?;
        let resource = entities::resource(kind).ok_or_else(|| Error::internal(format!("no list of kind {kind}")))?;
        let mut bindings = Bindings { values: [(entities::ACTING, actor.organization.0.into())].into(), ..Bindings::default() };
        if sight == Sight::Own {
            // Said once by the finder and by row security; said again it would only mislead the planner.
            bindings.equal.insert(entities::ACTING, true);
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

/// All that the PDP is told of a principal, as one text.
fn told(principal: &Principal) -> String {
    json!([principal.id, principal.roles, principal.attributes]).to_string()
}
