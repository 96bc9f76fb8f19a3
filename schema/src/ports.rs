//! What the outer crates implement and the server wires.

use crate::{
    AccessGrantId, Check, Context, NewEvent, NewOperation, OperationId, OrganizationId, Outcome, PrincipalId, PrincipalKind,
    Reach, Result, Role, Sight, Stored, Tx, Workflow, operation::Claim,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::Condition;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who acts, for whom, as what. Read from rows, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub principal: PrincipalId,
    pub kind: PrincipalKind,
    /// The acting organization; the principal's own scope for what comes before any.
    pub organization: OrganizationId,
    pub organization_type: Option<String>,
    pub roles: Vec<Role>,
    /// Holds a delegation here that counts now.
    pub delegated: bool,
    pub epoch: i64,
    /// The grant by which it works in another organization.
    pub through: Option<Through>,
}

/// Another organization's leave, as it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Through {
    pub grant: AccessGrantId,
    /// Who gave it, and owns what is read and written.
    pub owner: OrganizationId,
    /// Not only to see.
    pub acts: bool,
    pub epoch: i64,
}

impl Actor {
    /// Before any organization.
    pub fn own_scope(principal: PrincipalId, kind: PrincipalKind) -> Self {
        Actor {
            principal,
            kind,
            organization: OrganizationId(principal.0),
            organization_type: None,
            roles: Vec::new(),
            delegated: false,
            epoch: 0,
            through: None,
        }
    }

    /// What the policy is told of it besides who it is: it may change by time alone.
    pub fn standing(&self) -> String {
        let mut roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        roles.sort_unstable();
        format!("{} {} {}", roles.join(","), self.delegated, self.through.is_some_and(|through| through.acts))
    }

    /// Stands for the owner, by a role.
    pub fn governs(&self) -> bool {
        self.roles.iter().any(|role| role.stands_for_owner())
    }

    /// Works for those who engaged its organization, by a role.
    pub fn looks_after(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::ConciergeStaff | Role::Administrator))
    }

    /// Whose data the request is about: the acting organization's, or the one's that let it in.
    pub fn owner(&self) -> OrganizationId {
        self.through.map_or(self.organization, |through| through.owner)
    }

    /// What a transaction for it may touch.
    pub fn reach(&self, now: DateTime<Utc>) -> Reach {
        Reach::of(self.organization, now).across(self.through.map(|through| through.owner))
    }
}

/// Who is behind a token, and until when it says so.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub principal: PrincipalId,
    pub kind: PrincipalKind,
    pub until: DateTime<Utc>,
}

/// The policy decision point.
#[async_trait]
pub trait Decide: Send + Sync {
    /// One answer for each check, in order. An error means no.
    async fn check(&self, actor: &Actor, checks: &[Check]) -> Result<Vec<bool>>;

    /// The same for one, by the plan that lists are filtered by, in memory.
    async fn allows(&self, actor: &Actor, check: &Check, now: DateTime<Utc>) -> Result<bool>;

    /// The policies that are in force, by a name that changes when they do.
    async fn policies(&self) -> Result<String>;

    /// The rows of a kind on which the actor may do this, for a query that can meet no others than
    /// `sight` says.
    async fn filter(&self, actor: &Actor, action: &'static str, kind: &'static str, sight: Sight) -> Result<Box<dyn Filter>>;

    /// The same, written.
    async fn query_filter(&self, actor: &Actor, action: &'static str, kind: &'static str, sight: Sight) -> Result<Condition> {
        self.filter(actor, action, kind, sight).await?.condition()
    }
}

/// The filter of a kind for an actor, known by its identity before it is written.
pub trait Filter: Send + Sync {
    /// Filters with the same identity are the same condition.
    fn identity(&self) -> [u8; 32];

    fn condition(&self) -> Result<Condition>;
}

/// Who is behind a token, and what their rows say.
#[async_trait]
pub trait Identity: Send + Sync {
    /// The issuer of agents' and services' tokens. Nobody who signs in with it is a person, and no
    /// person's issuer can be registered from.
    fn service_issuer(&self) -> &str;

    /// A valid token's principal; a first sign-in makes one without any right.
    async fn principal(&self, bearer: Option<&str>) -> Result<Known>;

    /// What was delegated to an actor, in a word that changes with it, and when that or its roles may change
    /// next by time alone.
    async fn delegated(&self, actor: &Actor) -> Result<(Option<String>, Option<DateTime<Utc>>)>;

    /// The actor for this organization, or ORGANIZATION_NOT_FOUND if there is none such for them;
    /// GRANT_NOT_FOUND if it names a grant that does not count.
    async fn actor(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor>;

    /// The same as it was within the last second, for what only reads. What changed in this process is seen at once.
    async fn recent(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor>;

    /// Something was committed that decides what someone may do in these organizations.
    fn rights_changed(&self, organizations: &[OrganizationId]);

    /// An actor inside a domain transaction, through a grant: what it says stays true until that ends. None: it does not
    /// count any more.
    async fn through_locked(&self, tx: &Tx, actor: Actor, grant: AccessGrantId) -> Result<Option<Actor>>;
}

/// Where operations and events are kept.
#[async_trait]
pub trait Operations: Send + Sync {
    async fn find(&self, organization: OrganizationId, procedure: &str, key: Uuid) -> Result<Option<Stored>>;
    async fn get(&self, organization: OrganizationId, id: OperationId) -> Result<Option<Stored>>;
    /// As it was recorded; None if the key is taken.
    async fn insert(&self, new: &NewOperation) -> Result<Option<Stored>>;
    /// From RETRYABLE to QUEUED with the next attempt's number; false if someone else did.
    async fn begin_again(&self, organization: OrganizationId, id: OperationId, attempt: i32) -> Result<bool>;
    async fn reauthorized(&self, organization: OrganizationId, id: OperationId, claim: &Claim) -> Result<()>;
    /// To RETRYABLE, unless it ended meanwhile; FAILED when it was tried too often.
    async fn put_off(&self, organization: OrganizationId, id: OperationId, now: DateTime<Utc>) -> Result<()>;
    /// Begins the transaction that carries an operation out, with its row locked and what its initiator is; both stay so until
    /// it ends. `who` is nobody where that does not matter. `turns`: what follows may change what this very initiator may do,
    /// so that one of theirs waits for another.
    async fn claim(
        &self,
        organization: OrganizationId,
        id: OperationId,
        who: Option<PrincipalId>,
        turns: bool,
    ) -> Result<Claimed>;
    /// Writes the outcome, and takes the heads' locks, numbers the events and writes them: nothing may lock after it. The
    /// operation as it is then, if the transaction commits.
    async fn conclude(&self, tx: &Tx, stored: Stored, outcome: Outcome, log: Option<Log<'_>>) -> Result<Stored>;
    /// Recorded operations that nobody carries on: never started, ended without outcome, or put off.
    async fn abandoned(&self, now: DateTime<Utc>, idle: std::time::Duration) -> Result<Vec<Due>>;
    async fn forget_expired(&self, now: DateTime<Utc>) -> Result<u64>;
}

/// A transaction that carries an operation out.
pub struct Claimed {
    pub tx: Tx,
    /// None: it is gone.
    pub stored: Option<Stored>,
    /// None: nothing in that organization any more, or nobody was asked for.
    pub actor: Option<Actor>,
}

/// What an operation changed, and whose log says so.
pub struct Log<'a> {
    pub cx: &'a Context,
    pub events: Vec<NewEvent>,
    /// The organization that it made or joined: the events are written as of there.
    pub elsewhere: Option<OrganizationId>,
}

#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub organization: OrganizationId,
    pub id: OperationId,
}

/// All that a workflow is told. Personal data stays behind row security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub organization: Uuid,
    pub operation: Uuid,
    pub attempt: i32,
}

impl Run {
    pub fn workflow_id(&self) -> String {
        format!("{}:{}", self.operation, self.attempt)
    }
}

/// The durable engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Returns once the workflow is recorded; the receiver fires when it ended in this process.
    async fn start(&self, workflow: Workflow, run: Run) -> Result<tokio::sync::oneshot::Receiver<()>>;

    /// False while it cannot take work.
    fn ready(&self) -> bool;
}

/// The verdict of the policy engine of autonomous operations; for people it allows today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Approval(Vec<&'static str>),
    Block(Vec<&'static str>),
}

pub trait Guard: Send + Sync {
    fn judge(&self, actor: &Actor, procedure: &'static str) -> Verdict;
}

/// What ships: agents may recommend, only people and the services that they run may act.
#[derive(Debug, Default)]
pub struct PeopleAct;

impl Guard for PeopleAct {
    fn judge(&self, actor: &Actor, _: &'static str) -> Verdict {
        match actor.kind {
            PrincipalKind::Agent => Verdict::Block(vec!["AUTONOMY_RECOMMEND"]),
            PrincipalKind::Human | PrincipalKind::Service | PrincipalKind::System => Verdict::Allow,
        }
    }
}

/// Where a crash can fall. Named so that tests can stop a gateway exactly there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Boundary {
    BeforeOperation,
    AfterOperation,
    AfterClaim,
    BeforeCommit,
    AfterCommit,
    BeforeAnswer,
}

impl Boundary {
    pub const ALL: &'static [Boundary] = &[
        Boundary::BeforeOperation,
        Boundary::AfterOperation,
        Boundary::AfterClaim,
        Boundary::BeforeCommit,
        Boundary::AfterCommit,
        Boundary::BeforeAnswer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Boundary::BeforeOperation => "before-operation",
            Boundary::AfterOperation => "after-operation",
            Boundary::AfterClaim => "after-claim",
            Boundary::BeforeCommit => "before-commit",
            Boundary::AfterCommit => "after-commit",
            Boundary::BeforeAnswer => "before-answer",
        }
    }
}

/// Lets a test hold or fail the work at a boundary. Production wires [`NoFaults`].
#[async_trait]
pub trait Faults: Send + Sync {
    async fn at(&self, boundary: Boundary, procedure: &'static str) -> Result<()>;
}

#[derive(Debug, Default)]
pub struct NoFaults;

#[async_trait]
impl Faults for NoFaults {
    async fn at(&self, _: Boundary, _: &'static str) -> Result<()> {
        Ok(())
    }
}
