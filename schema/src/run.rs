//! The one waist, first half: from a request to a recorded operation and its answer.
//!
//! validate → principal and acting organization → look the key up → subject → policy → guard →
//! record → workflow → answer.

use crate::{
    Actor, Allowed, Answer, Boundary, Caller, Carried, Check, Code, Context, Error, Gateway, Judged, Kind, Name, NewOperation,
    OperationId, OperationState, OrganizationId, Outcome, Procedure, Resource, Result, Run, Scope, Sight, Stored, Subject,
    Verdict, Workflow, execute, filter::Filters, input, operation::Claim,
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Instant};
use tracing::Instrument;
use uuid::Uuid;

/// Runs a mutation, or answers what it answered before.
pub async fn run<P: Procedure>(gateway: &Arc<Gateway>, caller: &Caller, key: Uuid, input: P::Input) -> Result<Answer<P::Output>> {
    let Kind::Mutation(workflow) = P::KIND else { unreachable!("{} is a read", P::NAME) };
    let span = tracing::info_span!(
        "operation",
        procedure = P::NAME,
        organization_id = tracing::field::Empty,
        actor_id = %caller.principal,
        actor_kind = caller.kind.as_str(),
        operation_id = tracing::field::Empty,
        idempotency_key = %key,
    );
    let started = Instant::now();
    let attributes = vec![("actor_id", caller.principal.to_string()), ("actor_kind", caller.kind.as_str().to_owned())];
    let answer = Carried::with(attributes, accept::<P>(gateway, caller, key, input, workflow)).instrument(span).await;
    crate::metrics::operation(P::NAME, &answer, started.elapsed());
    answer
}

async fn accept<P: Procedure>(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    key: Uuid,
    input: P::Input,
    workflow: Workflow,
) -> Result<Answer<P::Output>> {
    input::validate(&input)?;
    // A known key is answered whatever became of a grant since.
    let actor = Caller { grant: None, ..*caller }.actor(gateway, P::SCOPE).await?;
    let span = tracing::Span::current();
    span.record("organization_id", tracing::field::display(actor.organization));
    let attributes = vec![("organization_id", actor.organization.to_string())];
    let (stored, replayed) = Carried::with(attributes, concluded::<P>(gateway, caller, actor, key, input, workflow)).await?;
    gateway.faults.at(Boundary::BeforeAnswer, P::NAME).await?;
    answer::<P>(stored, replayed)
}

/// The operation that stands for this key, as far as it came, and whether it was there before.
async fn concluded<P: Procedure>(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    actor: Actor,
    key: Uuid,
    input: P::Input,
    workflow: Workflow,
) -> Result<(Stored, bool)> {
    let span = tracing::Span::current();
    let grant = caller.grant.filter(|_| P::SCOPE == Scope::Organization);
    if gateway.tasks.closing() {
        return Err(Error::new(Code::ShuttingDown));
    }
    let fingerprint = gateway.fingerprint.of(P::NAME, grant, &input)?;
    let turn = gateway.flights.turn((actor.organization, P::NAME, key), gateway.limits.answer).await;

    if let Some(known) = gateway.operations.find(actor.organization, P::NAME, key).await? {
        span.record("operation_id", tracing::field::display(known.view.id));
        may_replay(gateway, &actor, &known).await?;
        if known.fingerprint != fingerprint {
            return Err(Error::new(Code::IdempotencyKeyReused));
        }
        // Others with this key did not finish in time: past the limit the answer is the operation.
        if turn.is_none() {
            return Ok((known, true));
        }
        return Ok((carry_on(gateway, workflow, known).await?, true));
    }
    let Some(turn) = turn else { return Err(Error::unavailable("others with this key did not finish in time")) };

    let actor = if grant.is_some() { caller.actor(gateway, P::SCOPE).await? } else { actor };
    let judging = Context::reading(gateway, actor.clone());
    let subject = P::subject(&judging, &input).await?;
    drop(judging);
    about(&subject.judged());
    let (claim, _) = authorize::<P>(gateway, &actor, &subject).await?;
    match gateway.guard.judge(&actor, P::NAME) {
        Verdict::Allow => {}
        Verdict::Approval(reasons) | Verdict::Block(reasons) => {
            return Err(Error::new(Code::AutonomyBlocked).details(serde_json::json!({ "reasons": reasons })));
        }
    }

    let now = gateway.clock.now();
    let id = OperationId(gateway.ids.id(now));
    span.record("operation_id", tracing::field::display(id));
    let new = NewOperation {
        organization: actor.organization,
        target: actor.through.map(|through| through.owner),
        id,
        procedure: P::NAME,
        key,
        fingerprint: fingerprint.clone(),
        principal: actor.principal,
        principal_kind: actor.kind,
        claim,
        traceparent: crate::traceparent(),
        trace_id: Some(crate::current_trace_id()),
        payload: serde_json::to_value(&input)?,
        now,
    };
    // From here on the work runs in its own task: a client that goes away changes nothing.
    let gateway_ = Arc::clone(gateway);
    let work = async move {
        let _turn = turn;
        gateway_.faults.at(Boundary::BeforeOperation, P::NAME).await?;
        let inserted = gateway_.operations.insert(&new).await?;
        gateway_.faults.at(Boundary::AfterOperation, P::NAME).await?;
        let stored = gateway_.operations.find(new.organization, P::NAME, key).await?;
        let stored = stored.ok_or_else(|| Error::internal("a recorded operation is not there"))?;
        Ok::<_, Error>((carry_on(&gateway_, workflow, stored).await?, !inserted))
    };
    let (stored, replayed) = gateway.tasks.spawn(Carried::along(work.in_current_span())).await.map_err(Error::internal)??;
    if replayed {
        // Another replica was first: its operation must be what this request asked for.
        may_replay(gateway, &actor, &stored).await?;
        if stored.fingerprint != fingerprint {
            return Err(Error::new(Code::IdempotencyKeyReused));
        }
    }
    Ok((stored, replayed))
}

pub(crate) fn about(judged: &Judged) {
    if let Judged::One(resource) = judged
        && !resource.id.is_nil()
    {
        Carried::about(resource.kind, resource.id);
    }
}

/// The initiator always gets its own outcome; others of the organization if the policy says so.
async fn may_replay(gateway: &Gateway, actor: &Actor, known: &Stored) -> Result<()> {
    if known.view.initiator == actor.principal {
        return Ok(());
    }
    let check = Check { action: "replay", resource: operation_resource(known) };
    match gateway.decide.check(actor, &[check]).await?.first() {
        Some(true) => Ok(()),
        _ => Err(Error::new(Code::Forbidden)),
    }
}

fn operation_resource(known: &Stored) -> Resource {
    Resource {
        kind: "operation",
        id: known.view.id.0,
        attributes: serde_json::json!({ "relation": "OWN", "initiator": known.view.initiator, "state": known.view.state.as_str() }),
        version: None,
    }
}

/// Starts or joins the workflow of a recorded operation and waits for its outcome.
async fn carry_on(gateway: &Arc<Gateway>, workflow: Workflow, stored: Stored) -> Result<Stored> {
    if stored.outcome.is_some() {
        return Ok(stored);
    }
    let (organization, id) = (stored.view.organization_id, stored.view.id);
    let mut attempt = stored.view.attempt;
    if stored.view.state == OperationState::Retryable {
        gateway.operations.begin_again(organization, id, attempt).await?;
        attempt += 1;
    }
    drive(gateway, workflow, Run { organization: organization.0, operation: id.0, attempt }).await
}

/// Carries on an operation that nobody carries on: for the gateway itself, without a client.
pub async fn resume(gateway: &Arc<Gateway>, organization: OrganizationId, id: OperationId) -> Result<()> {
    let Some(stored) = gateway.operations.get(organization, id).await? else { return Ok(()) };
    let entry = gateway.table.get(&stored.view.procedure);
    let Some(Kind::Mutation(workflow)) = entry.map(|entry| entry.kind()) else {
        return Err(Error::internal(format!("no mutation {}", stored.view.procedure)));
    };
    carry_on(gateway, workflow, stored).await.map(drop)
}

async fn drive(gateway: &Arc<Gateway>, workflow: Workflow, run: Run) -> Result<Stored> {
    let (organization, id) = (run.organization.into(), OperationId(run.operation));
    let limit = Instant::now() + gateway.limits.answer;
    let ended = match gateway.engine.start(workflow, run).await {
        Ok(ended) => ended,
        Err(error) => {
            // Nothing was begun: the key stays usable, and the gateway itself tries again.
            if let Err(error) = gateway.operations.put_off(organization, id, gateway.clock.now()).await {
                error.trace();
            }
            return Err(error);
        }
    };
    let _ = tokio::time::timeout(gateway.limits.rescue, ended).await;
    loop {
        let stored = gateway.operations.get(organization, id).await?.ok_or_else(|| Error::internal("an operation is gone"))?;
        let left = limit.saturating_duration_since(Instant::now());
        if stored.outcome.is_some() || stored.view.state == OperationState::Retryable || left.is_zero() {
            return Ok(stored);
        }
        // The rescue: the same claim-first body, here. Whoever has the claim finishes it; a dead or
        // slow owner costs the client no more than this.
        let _ = tokio::time::timeout(left, execute(gateway, run)).await;
    }
}

fn answer<P: Procedure>(stored: Stored, replayed: bool) -> Result<Answer<P::Output>> {
    match stored.outcome {
        Some(Outcome::Result(value)) => {
            Ok(Answer { result: Some(serde_json::from_value(value)?), operation: stored.view, replayed })
        }
        Some(Outcome::Refusal(refusal)) => Err(refusal.into()),
        None if stored.view.state == OperationState::Retryable => Err(Error::unavailable("put off; the key stays usable")),
        None => Ok(Answer { result: None, operation: stored.view, replayed }),
    }
}

/// Asks the policy. What it said rests on the claim, which the domain transaction compares.
pub(crate) async fn authorize<P: Procedure>(gateway: &Gateway, actor: &Actor, subject: &P::Subject) -> Result<(Claim, Filters)> {
    let action = Name::of(P::NAME).action(P::KIND);
    let judged = subject.judged();
    let span = tracing::info_span!("authorize", action, organization_id = %actor.organization, actor_id = %actor.principal);
    let mut filters = Vec::new();
    match &judged {
        Judged::One(resource) => {
            let check = Check { action, resource: resource.clone() };
            match gateway.decide.check(actor, &[check]).instrument(span).await?.first() {
                Some(true) => {}
                _ if action == "read" => return Err(Error::new(Code::NotFound)),
                _ => return Err(Error::new(hidden(gateway, actor, subject).await?)),
            }
        }
        Judged::Filter(kinds) => {
            let sight = if P::ACROSS { Sight::Across } else { actor.reach(gateway.clock.now()).sight() };
            for kind in *kinds {
                let filter = gateway.decide.query_filter(actor, action, kind, sight).instrument(span.clone()).await?;
                filters.push((*kind, filter));
            }
        }
    }
    let claim = Claim {
        epoch: actor.epoch,
        standing: actor.standing(),
        grant: actor.through.map(|through| (through.grant, through.epoch)),
        judged: judged_hash(&judged),
        decided_at: gateway.clock.now(),
    };
    Ok((claim, filters))
}

/// What to say to someone who may not do this: a row that one may not see is one that does not exist.
async fn hidden(gateway: &Gateway, actor: &Actor, subject: &impl Subject) -> Result<Code> {
    let Some(resource) = subject.beheld() else { return Ok(Code::Forbidden) };
    let seen = gateway.decide.check(actor, &[Check { action: "read", resource }]).await?;
    Ok(if seen.first() == Some(&true) { Code::Forbidden } else { Code::NotFound })
}

pub(crate) fn judged_hash(judged: &Judged) -> String {
    let text = match judged {
        Judged::One(resource) => format!("{}|{}|{:?}|{}", resource.kind, resource.id, resource.version, resource.attributes),
        Judged::Filter(kinds) => format!("filter|{kinds:?}"),
    };
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A read, on the surface that has no query language of its own.
pub async fn read<P: Procedure>(gateway: &Arc<Gateway>, caller: &Caller, input: P::Input) -> Result<P::Output> {
    let span = tracing::info_span!(
        "read",
        procedure = P::NAME,
        organization_id = tracing::field::Empty,
        actor_id = %caller.principal,
        actor_kind = caller.kind.as_str(),
    );
    async {
        input::validate(&input)?;
        let actor = caller.actor(gateway, P::SCOPE).await?;
        tracing::Span::current().record("organization_id", tracing::field::display(actor.organization));
        let judging = Context::reading(gateway, actor.clone());
        let subject = P::subject(&judging, &input).await?;
        // No transaction is held while the policy is asked.
        drop(judging);
        about(&subject.judged());
        let (_, filters) = authorize::<P>(gateway, &actor, &subject).await?;
        let cx = Context::reading(gateway, actor);
        P::handle(&cx, Allowed::new(subject, filters), input).await
    }
    .instrument(span)
    .await
}
