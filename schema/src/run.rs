//! The one waist, first half: from a request to a recorded operation and its answer.
//!
//! validate → principal and acting organization → look the key up → subject → policy → guard →
//! record → workflow → answer.

use crate::{
    Actor, Allowed, Answer, Boundary, Caller, Carried, Check, Code, Context, Entry, Error, Gateway, Judged, NewOperation,
    OperationId, OperationRow, OperationState, OrganizationId, Outcome, Procedure, REQUEST, Resource, Result, Run, Runs, Scope,
    Sight, Subject, Type, Verdict, Workflow, execute, filter::Conditions, input, operation::Claim, seen,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Instant};
use tracing::Instrument;
use uuid::Uuid;

/// Runs a mutation, or answers what it answered before.
pub async fn run<P: Procedure>(gateway: &Arc<Gateway>, caller: &Caller, key: Uuid, input: P::Input) -> Result<Answer<P::Output>> {
    let Answer { result, operation, replayed } = mutate(gateway, caller, Entry::of::<P>(), key, payload::<P>(&input)).await?;
    Ok(Answer { result: result.map(serde_json::from_value).transpose()?, operation, replayed })
}

/// The JSON of a valid input, as it is recorded: with texts that are as they look.
pub(crate) fn payload<P: Procedure>(input: &P::Input) -> Result<Value> {
    let mut payload = serde_json::to_value(input)?;
    if seen::plain(&mut payload) {
        input::validate(&serde_json::from_value::<P::Input>(payload.clone())?)?;
    } else {
        input::validate(input)?;
    }
    Ok(payload)
}

/// Runs a mutation of any procedure. The code from here on is compiled once, not once for each procedure.
pub(crate) async fn mutate(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    entry: Entry,
    key: Uuid,
    payload: Result<Value>,
) -> Result<Answer<Value>> {
    let span = tracing::info_span!(
        "operation",
        procedure = entry.name(),
        organization_id = tracing::field::Empty,
        actor_id = %caller.principal,
        actor_kind = caller.kind.as_str(),
        operation_id = tracing::field::Empty,
        idempotency_key = %key,
    );
    let started = Instant::now();
    let attributes = vec![("actor_id", caller.principal.to_string()), ("actor_kind", caller.kind.as_str().to_owned())];
    let answer = Carried::with(attributes, Box::pin(accept(gateway, caller, entry, key, payload))).instrument(span).await;
    crate::metrics::operation(entry.name(), &answer, started.elapsed());
    answer
}

async fn accept(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    entry: Entry,
    key: Uuid,
    payload: Result<Value>,
) -> Result<Answer<Value>> {
    let payload = payload?;
    // The actor without its grant: a known key is answered whatever became of the grant since.
    let actor = Caller { grant: None, ..*caller }.actor(gateway, entry.scope()).await?;
    let span = tracing::Span::current();
    span.record("organization_id", tracing::field::display(actor.organization));
    let attributes = vec![("organization_id", actor.organization.to_string())];
    let (stored, replayed) = Carried::with(attributes, Box::pin(concluded(gateway, caller, actor, entry, key, payload))).await?;
    gateway.faults.at(Boundary::BeforeAnswer, entry.name()).await?;
    answer(gateway, stored, replayed)
}

/// The operation of this key, as far as it came, and whether it was there before.
async fn concluded(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    actor: Actor,
    entry: Entry,
    key: Uuid,
    payload: Value,
) -> Result<(OperationRow, bool)> {
    let Runs::Mutation(workflow) = entry.runs() else { return Err(Error::internal(format!("{} is a read", entry.name()))) };
    let name = entry.name();
    let span = tracing::Span::current();
    let grant = caller.grant.filter(|_| entry.scope() == Scope::Organization);
    if gateway.tasks.closing() {
        return Err(Error::new(Code::SHUTTING_DOWN));
    }
    let fingerprint = gateway.fingerprint.of(name, grant, &payload)?;
    let turn = gateway.flights.turn((actor.organization, name, key), gateway.limits.answer).await;

    let mut known = gateway.operations.find(actor.organization, name, key).await?;
    if let Some(refused) = known.take_if(|known| turn.is_some() && unspent(gateway, known)) {
        may_replay(gateway, &actor, &refused).await?;
        gateway.operations.release(actor.organization, refused.view.id).await?;
    }
    if let Some(known) = known {
        span.record("operation_id", tracing::field::display(known.view.id));
        may_replay(gateway, &actor, &known).await?;
        if known.fingerprint != fingerprint {
            return Err(Error::new(Code::IDEMPOTENCY_KEY_REUSED));
        }
        // Others with this key did not finish in time: past the limit the answer is the operation.
        if turn.is_none() {
            return Ok((known, true));
        }
        return Ok((carry_on(gateway, workflow, known).await?, true));
    }
    let Some(turn) = turn else { return Err(Error::unavailable("others with this key did not finish in time")) };

    let actor = if grant.is_some() { caller.actor(gateway, entry.scope()).await? } else { actor };
    let (actor, claim) = match entry.judge(gateway, actor.clone(), payload.clone()).await {
        Ok(claim) => (actor, claim),
        // The refusal rests on an actor that may be a second old. A right gained since counts, so the rows are asked again. A
        // right lost since is found in the domain transaction.
        Err(error)
            if entry.scope() == Scope::Organization
                && matches!(error.code().error_type(), Type::Authorization | Type::NotFound) =>
        {
            let now = caller.actor_now(gateway).await?;
            if (now.epoch, now.policy_facts()) == (actor.epoch, actor.policy_facts()) {
                return Err(error);
            }
            let claim = entry.judge(gateway, now.clone(), payload.clone()).await?;
            (now, claim)
        }
        Err(error) => return Err(error),
    };
    match gateway.guard.judge(&actor, name) {
        Verdict::Allow => {}
        Verdict::Approval(reasons) | Verdict::Block(reasons) => {
            return Err(Error::new(Code::AUTONOMY_BLOCKED).details(serde_json::json!({ "reasons": reasons })));
        }
    }

    let now = gateway.clock.now();
    let id = OperationId(gateway.ids.id(now));
    span.record("operation_id", tracing::field::display(id));
    let new = NewOperation {
        organization: actor.organization,
        target: actor.through.map(|through| through.owner),
        id,
        procedure: name,
        key,
        fingerprint: fingerprint.clone(),
        principal: actor.principal,
        principal_kind: actor.kind,
        claim,
        traceparent: crate::traceparent(),
        trace_id: Some(crate::current_trace_id()),
        payload,
        now,
    };
    // From here on the work runs in its own task: a client that goes away changes nothing.
    let gateway_ = Arc::clone(gateway);
    let work = async move {
        let _turn = turn;
        gateway_.faults.at(Boundary::BeforeOperation, name).await?;
        let inserted = gateway_.operations.insert(&new).await?;
        gateway_.faults.at(Boundary::AfterOperation, name).await?;
        let replayed = inserted.is_none();
        let stored = match inserted {
            Some(stored) => stored,
            None => {
                let found = gateway_.operations.find(new.organization, name, key).await?;
                found.ok_or_else(|| Error::unavailable("another request made room for its key"))?
            }
        };
        Ok::<_, Error>((carry_on(&gateway_, workflow, stored).await?, replayed))
    };
    let (stored, replayed) = gateway.tasks.spawn(Carried::along(work.in_current_span())).await.map_err(Error::internal)??;
    if replayed {
        // Another replica was first: its operation must be what this request asked for.
        may_replay(gateway, &actor, &stored).await?;
        if stored.fingerprint != fingerprint {
            return Err(match unspent(gateway, &stored) {
                true => Error::unavailable("another replica had this key, and did not spend it"),
                false => Error::new(Code::IDEMPOTENCY_KEY_REUSED),
            });
        }
    }
    Ok((stored, replayed))
}

/// Whether an operation was refused in a way that leaves its key unspent.
fn unspent(gateway: &Gateway, stored: &OperationRow) -> bool {
    match &stored.outcome {
        Some(Outcome::Refusal(refusal)) => gateway.table.code(&refusal.code).is_some_and(|code| !code.spends_key()),
        _ => false,
    }
}

pub(crate) fn about(judged: &Judged) {
    if let Judged::One(resource) = judged
        && !resource.id.is_nil()
    {
        Carried::about(resource.kind, resource.id);
    }
}

/// The initiator always gets its own outcome; others of the organization if the policy says so.
async fn may_replay(gateway: &Gateway, actor: &Actor, known: &OperationRow) -> Result<()> {
    if known.view.initiator == actor.principal {
        return Ok(());
    }
    let check = Check { action: "replay", resource: operation_resource(known) };
    match gateway.decide.check(actor, &[check]).await?.first() {
        Some(true) => Ok(()),
        _ => Err(Error::new(Code::FORBIDDEN)),
    }
}

fn operation_resource(known: &OperationRow) -> Resource {
    Resource {
        kind: "operation",
        id: known.view.id.0,
        attributes: serde_json::json!({ "relation": "OWN", "initiator": known.view.initiator, "state": known.view.state.as_str() }),
        version: None,
    }
}

/// Starts or joins the workflow of a recorded operation and waits for its outcome.
async fn carry_on(gateway: &Arc<Gateway>, workflow: Workflow, stored: OperationRow) -> Result<OperationRow> {
    if stored.outcome.is_some() {
        return Ok(stored);
    }
    let (organization, id) = (stored.view.organization_id, stored.view.id);
    let mut attempt = stored.view.attempt;
    if stored.view.state == OperationState::Retryable {
        gateway.operations.begin_again(organization, id, attempt).await?;
        attempt += 1;
    }
    drive(gateway, workflow, Run { organization: organization.0, operation: id.0, attempt }, stored).await
}

/// Carries on an abandoned operation, for the gateway itself, without a client.
pub async fn resume(gateway: &Arc<Gateway>, organization: OrganizationId, id: OperationId) -> Result<()> {
    let Some(stored) = gateway.operations.get(organization, id).await? else { return Ok(()) };
    let entry = gateway.table.get(&stored.view.procedure);
    let Some(Runs::Mutation(workflow)) = entry.map(|entry| entry.runs()) else {
        return Err(Error::internal(format!("no mutation {}", stored.view.procedure)));
    };
    carry_on(gateway, workflow, stored).await.map(drop)
}

async fn drive(gateway: &Arc<Gateway>, workflow: Workflow, run: Run, recorded: OperationRow) -> Result<OperationRow> {
    let (organization, id) = (run.organization.into(), OperationId(run.operation));
    let limit = Instant::now() + gateway.limits.answer;
    let mut waiting = gateway.waits.begin(Arc::new(recorded));
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
    // The outcome is durable before the engine has noted the end of its workflow.
    let told = async {
        tokio::select! {
            biased;
            Ok(stored) = &mut waiting.end => Some(stored),
            _ = ended => None,
        }
    };
    if let Ok(Some(stored)) = tokio::time::timeout(gateway.limits.rescue, told).await {
        return Ok(stored);
    }
    loop {
        let stored = gateway
            .operations
            .get(organization, id)
            .await?
            .ok_or_else(|| Error::unavailable("another request made room for its key"))?;
        let left = limit.saturating_duration_since(Instant::now());
        if stored.outcome.is_some() || stored.view.state == OperationState::Retryable || left.is_zero() {
            return Ok(stored);
        }
        // The rescue: the same claim-first body, run here. The holder of the claim finishes it. A dead or slow holder costs the
        // client no more than this.
        let _ = tokio::time::timeout(left, execute(gateway, run)).await;
    }
}

fn answer(gateway: &Gateway, stored: OperationRow, replayed: bool) -> Result<Answer<Value>> {
    match stored.outcome {
        Some(Outcome::Result(value)) => Ok(Answer { result: Some(value), operation: stored.view, replayed }),
        Some(Outcome::Refusal(refusal)) => Err(match gateway.table.code(&refusal.code) {
            Some(code) => refusal.again(code),
            None => Error::internal(format!("nobody says {} any more", refusal.code)),
        }),
        None if stored.view.state == OperationState::Retryable => Err(Error::unavailable("put off; the key stays usable")),
        None => Ok(Answer { result: None, operation: stored.view, replayed }),
    }
}

/// Asks the policy. The claim holds the facts that the answer rests on; the domain transaction compares them.
pub(crate) async fn authorize(
    gateway: &Gateway,
    actor: &Actor,
    entry: Entry,
    subject: &dyn Subject,
) -> Result<(Claim, Conditions)> {
    let action = entry.parts().action(entry.runs());
    let judged = subject.judged();
    let span = tracing::info_span!("authorize", action, organization_id = %actor.organization, actor_id = %actor.principal);
    let filters = match &judged {
        Judged::One(resource) => {
            let check = Check { action, resource: resource.clone() };
            match gateway.decide.check(actor, &[check]).instrument(span).await?.first() {
                Some(true) => Conditions::new(),
                _ if action == "read" => return Err(Error::new(Code::NOT_FOUND)),
                _ => {
                    let error = Error::new(hidden(gateway, actor, subject).await?);
                    let lacking = serde_json::json!({ "action": action, "kind": resource.kind });
                    return Err(if error.code() == Code::FORBIDDEN { error.details(lacking) } else { error });
                }
            }
        }
        Judged::Filter(kinds) => {
            let sight = if entry.across() { Sight::Across } else { actor.reach(gateway.clock.now()).sight() };
            let filters = gateway.decide.filters(actor, action, kinds).instrument(span).await?;
            kinds.iter().zip(filters).map(|(kind, filter)| Ok((*kind, filter.condition(sight)?))).collect::<Result<_>>()?
        }
    };
    let claim = Claim {
        epoch: actor.epoch,
        policy_facts: actor.policy_facts(),
        grant: actor.through.map(|through| (through.grant, through.epoch)),
        judged: judged_hash(&judged),
        decided_at: gateway.clock.now(),
    };
    Ok((claim, filters))
}

/// The code for an actor who may not do this. A row that the actor may not see is told as one that does not exist.
async fn hidden(gateway: &Gateway, actor: &Actor, subject: &dyn Subject) -> Result<Code> {
    let Some(resource) = subject.beheld() else { return Ok(Code::FORBIDDEN) };
    let seen = gateway.decide.check(actor, &[Check { action: "read", resource }]).await?;
    Ok(if seen.first() == Some(&true) { Code::FORBIDDEN } else { Code::NOT_FOUND })
}

pub(crate) fn judged_hash(judged: &Judged) -> String {
    let text = match judged {
        Judged::One(resource) => format!("{}|{}|{:?}|{}", resource.kind, resource.id, resource.version, resource.attributes),
        Judged::Filter(kinds) => format!("filter|{kinds:?}"),
    };
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a read on the surface that has no query language of its own.
pub async fn read<P: Procedure>(gateway: &Arc<Gateway>, caller: &Caller, input: P::Input, rows: u64) -> Result<P::Output> {
    let span = tracing::info_span!(
        "read",
        procedure = P::NAME,
        organization_id = tracing::field::Empty,
        actor_id = %caller.principal,
        actor_kind = caller.kind.as_str(),
    );
    let work = async {
        input::validate(&input)?;
        let admitted = gateway.admit(caller, REQUEST + rows).await?;
        let _turn = gateway.turn(admitted).await?;
        let actor = caller.actor(gateway, P::SCOPE).await?;
        tracing::Span::current().record("organization_id", tracing::field::display(actor.organization));
        let judging = Context::reading(gateway, actor.clone());
        let subject = P::subject(&judging, &input).await?;
        // No transaction is held while the policy is asked.
        drop(judging);
        about(&subject.judged());
        let (_, filters) = authorize(gateway, &actor, Entry::of::<P>(), &subject).await?;
        let cx = Context::reading(gateway, actor);
        P::handle(&cx, Allowed::new(subject, filters), input).await
    };
    // Dropped, it ends its statement.
    let answered = tokio::time::timeout(gateway.limits.time, work.instrument(span)).await;
    answered.unwrap_or_else(|_| Err(Error::new(Code::DEADLINE_EXCEEDED)))
}
