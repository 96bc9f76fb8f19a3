//! The ports: traits that the outer crates implement and the server wires, with the types that they exchange.

use crate::{
    AccessGrantId, Check, Context, NewEvent, NewOperation, OperationId, OperationRow, OrganizationId, Outcome, PrincipalId,
    PrincipalKind, Reach, Result, Role, Sight, Tx, Workflow, operation::Claim,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::Condition;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The actor of a request: a principal, the organization that it acts for, and its roles there. Read from rows, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub principal: PrincipalId,
    pub kind: PrincipalKind,
    /// The acting organization, or the principal's own scope for procedures that come before any organization.
    pub organization: OrganizationId,
    pub organization_type: Option<String>,
    pub roles: Vec<Role>,
    /// Whether the actor holds a delegation here that counts now.
    pub delegated: bool,
    pub epoch: i64,
    /// The grant by which the actor works in another organization.
    pub through: Option<Through>,
}

/// Another organization's grant, as it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Through {
    pub grant: AccessGrantId,
    /// The organization that gave the grant, and owns the rows that are read and written.
    pub owner: OrganizationId,
    /// Whether the grant allows to act, and not only to see.
    pub acts: bool,
    pub epoch: i64,
}

impl Actor {
    /// An actor in the principal's own scope, before any organization.
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

    /// The facts that the policy is told of the actor and that may change by time alone, in a text: the roles, whether it holds a
    /// delegation, and whether its grant allows to act.
    pub fn policy_facts(&self) -> String {
        let mut roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        roles.sort_unstable();
        format!("{} {} {}", roles.join(","), self.delegated, self.through.is_some_and(|through| through.acts))
    }

    /// Whether the actor stands for the owner, by a role.
    pub fn stands_for_owner(&self) -> bool {
        self.roles.iter().any(|role| role.stands_for_owner())
    }

    /// Whether the actor works for those who engaged its organization, by a role.
    pub fn looks_after(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::ConciergeStaff | Role::Administrator))
    }

    /// The same actor through some grant that allows to act, as the policies see it.
    pub fn acting(&self) -> Actor {
        let (grant, owner) = (AccessGrantId(Uuid::nil()), self.organization);
        Actor { through: Some(Through { grant, owner, acts: true, epoch: 0 }), delegated: false, ..self.clone() }
    }

    /// The owner of the data that the request is about: the acting organization, or the one that gave the grant.
    pub fn owner(&self) -> OrganizationId {
        self.through.map_or(self.organization, |through| through.owner)
    }

    /// The organizations that a transaction for the actor may touch.
    pub fn reach(&self, now: DateTime<Utc>) -> Reach {
        Reach::of(self.organization, now).across(self.through.map(|through| through.owner))
    }
}

/// The principal behind a token, and the time until which the token says so.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn {
    pub principal: PrincipalId,
    pub kind: PrincipalKind,
    /// The client that the token was given to, by its hash.
    pub client: Option<u64>,
    /// The token's own id, by its hash.
    pub token: Option<u64>,
    pub until: DateTime<Utc>,
}

/// The policy decision point.
#[async_trait]
pub trait Decide: Send + Sync {
    /// One answer for each check, in order. An error means no.
    async fn check(&self, actor: &Actor, checks: &[Check]) -> Result<Vec<bool>>;

    /// The answer to one check, decided in memory by the plan that lists are filtered by.
    async fn allows(&self, actor: &Actor, check: &Check, now: DateTime<Utc>) -> Result<bool>;

    /// A name for the policies in force, which changes when they do.
    async fn policies(&self) -> Result<String>;

    /// One filter for each of these kinds, in order: the rows on which the actor may do this.
    async fn filters(&self, actor: &Actor, action: &'static str, kinds: &[&'static str]) -> Result<Vec<Box<dyn Filter>>>;

    /// One judge for each of these kinds and actions, in order.
    async fn judges(&self, actor: &Actor, asked: &[(&'static str, &'static str)]) -> Result<Vec<Box<dyn Judge>>>;

    /// The filter of one kind, written as a condition.
    async fn query_filter(&self, actor: &Actor, action: &'static str, kind: &'static str, sight: Sight) -> Result<Condition> {
        let filters = self.filters(actor, action, &[kind]).await?;
        filters.first().ok_or_else(|| crate::Error::internal(format!("no filter for {kind}")))?.condition(sight)
    }
}

/// The rule by which an actor may do something with a kind's things, applied in memory.
pub trait Judge: Send + Sync {
    /// Judges with the same identity answer alike.
    fn identity(&self) -> [u8; 32];

    /// Whether the resource `{"id": …, "attr": {…}}` is allowed.
    fn allows(&self, resource: &serde_json::Value, now: DateTime<Utc>) -> Result<bool>;
}

/// The filter of a kind for an actor, known by its identity before it is written.
pub trait Filter: Send + Sync {
    /// Filters with the same identity are the same condition.
    fn identity(&self) -> [u8; 32];

    /// The condition for a query that can meet no rows beyond `sight`.
    fn condition(&self, sight: Sight) -> Result<Condition>;
}

/// Identities: the principal behind a token, and the actor that the rows make of it.
#[async_trait]
pub trait Identity: Send + Sync {
    /// The issuer of agents' and services' tokens. Nobody who signs in with it is a person, and nothing is registered under a
    /// person's issuer.
    fn service_issuer(&self) -> &str;

    /// A valid token's principal; a first sign-in makes one without any right.
    async fn principal(&self, bearer: Option<&str>, organization: Option<OrganizationId>) -> Result<SignedIn>;

    /// A hash of an actor's delegations, and the time when they or its roles may change next by time alone.
    async fn delegated(&self, actor: &Actor) -> Result<(Option<String>, Option<DateTime<Utc>>)>;

    /// The actor that a principal is in this organization. ORGANIZATION_NOT_FOUND if the principal is none there; GRANT_NOT_FOUND
    /// if the grant does not count.
    async fn actor(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor>;

    /// The actor as it was within the last second, for reads and for the first decision on a mutation. Changes by this process
    /// are seen at once.
    async fn recent(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor>;

    /// Tells of a commit that changes what someone may do in these organizations.
    fn rights_changed(&self, organizations: &[OrganizationId]);

    /// An actor with the grant that it works through, inside a domain transaction. The grant is locked and stays true until the
    /// transaction ends. None: the grant does not count any more.
    async fn through_locked(&self, tx: &Tx, actor: Actor, grant: AccessGrantId) -> Result<Option<Actor>>;
}

/// The store of operations and events.
#[async_trait]
pub trait Operations: Send + Sync {
    async fn find(&self, organization: OrganizationId, procedure: &str, key: Uuid) -> Result<Option<OperationRow>>;
    async fn get(&self, organization: OrganizationId, id: OperationId) -> Result<Option<OperationRow>>;
    /// The operation as it was recorded; None if the key is taken.
    async fn insert(&self, new: &NewOperation) -> Result<Option<OperationRow>>;
    /// Forgets a failed operation, so that its key is free.
    async fn release(&self, organization: OrganizationId, id: OperationId) -> Result<()>;
    /// Moves an operation from RETRYABLE to QUEUED with the next attempt's number; false if someone else did.
    async fn begin_again(&self, organization: OrganizationId, id: OperationId, attempt: i32) -> Result<bool>;
    async fn reauthorized(&self, organization: OrganizationId, id: OperationId, claim: &Claim) -> Result<()>;
    /// Moves an operation to RETRYABLE, or to FAILED when it was tried too often, unless it ended meanwhile.
    async fn put_off(&self, organization: OrganizationId, id: OperationId, now: DateTime<Utc>) -> Result<()>;
    /// Begins the transaction that carries an operation out. The operation's row and its initiator's authority are locked until
    /// the transaction ends. `who` is None where the authority does not matter. `turns` is true where the operation may change
    /// the initiator's own authority: such operations of one initiator wait for each other.
    async fn claim(
        &self,
        organization: OrganizationId,
        id: OperationId,
        who: Option<PrincipalId>,
        turns: bool,
    ) -> Result<Claimed>;
    /// Writes the outcome, takes the heads' locks, numbers the events and writes them. Nothing may lock after it. Returns the
    /// operation as it is if the transaction commits.
    async fn conclude(&self, tx: &Tx, stored: OperationRow, outcome: Outcome, log: Option<Log<'_>>) -> Result<OperationRow>;
    /// Recorded operations that nobody carries on: never started, ended without outcome, or put off.
    async fn abandoned(&self, now: DateTime<Utc>, idle: std::time::Duration) -> Result<Vec<Due>>;
    async fn forget_expired(&self, now: DateTime<Utc>) -> Result<u64>;
}

/// A transaction that carries an operation out.
pub struct Claimed {
    pub tx: Tx,
    /// None: the operation is gone.
    pub stored: Option<OperationRow>,
    /// None: the initiator is nothing in that organization any more, nobody was asked for, or the operation has its outcome.
    pub actor: Option<Actor>,
}

/// The events of an operation, and the organization in whose name they are written.
pub struct Log<'a> {
    pub cx: &'a Context,
    pub events: Vec<NewEvent>,
    /// The organization that the operation made or joined. The transaction moves there to write the events.
    pub elsewhere: Option<OrganizationId>,
}

#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub organization: OrganizationId,
    pub id: OperationId,
}

/// The whole input of a workflow. Personal data stays behind row security.
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

/// The verdict of the guard, which rules on autonomous operations. People are always allowed today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Approval(Vec<&'static str>),
    Block(Vec<&'static str>),
}

pub trait Guard: Send + Sync {
    fn judge(&self, actor: &Actor, procedure: &'static str) -> Verdict;
}

/// The guard that ships: agents may recommend, only people and the services that they run may act.
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

/// The points where a crash can fall, named so that tests can stop a gateway exactly there.
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
