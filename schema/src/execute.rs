//! The waist, second half: the body of the durable workflow. One domain transaction claims its operation first. Domain rows,
//! outcome and events commit together or not at all. The body never ends in an error, because an error would burn the key.

use crate::{
    Actor, Boundary, Carried, Claimed, Code, Context, Entry, Error, Gateway, Log, OperationId, OperationRow, Outcome, Result,
    Run, Scope, StoredError, Type, Whose, entry::Performed, operation::Claim,
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::Instrument;

enum Step {
    Done,
    /// Authority or subject changed since the decision: decide again, begin anew.
    Reauthorize(Box<OperationRow>),
}

pub async fn execute(gateway: &Arc<Gateway>, run: Run) {
    let (organization, id): (crate::OrganizationId, _) = (run.organization.into(), OperationId(run.operation));
    let span = tracing::info_span!(
        "workflow",
        workflow_id = run.workflow_id(),
        operation_id = %id,
        organization_id = %organization,
        procedure = tracing::field::Empty,
        actor_id = tracing::field::Empty,
        actor_kind = tracing::field::Empty,
    );
    let mut attributes = vec![("organization_id", organization.to_string()), ("operation_id", id.to_string())];
    // A run that was adopted elsewhere continues the trace of the request.
    let recorded = match gateway.waits.recorded(id) {
        Some(recorded) => Ok(Some(recorded)),
        None => gateway.operations.get(organization, id).await.map(|stored| stored.map(Arc::new)),
    };
    match &recorded {
        Ok(Some(stored)) => {
            if let Some(parent) = &stored.traceparent {
                crate::continue_from(&span, parent);
            }
            span.record("procedure", stored.view.procedure.as_str());
            span.record("actor_id", tracing::field::display(stored.view.initiator));
            span.record("actor_kind", stored.view.initiator_kind.as_str());
            attributes.push(("actor_id", stored.view.initiator.to_string()));
            attributes.push(("actor_kind", stored.view.initiator_kind.as_str().to_owned()));
        }
        Ok(None) => return tracing::error!(%id, "an operation is gone"),
        Err(error) => error.trace(),
    }
    let recorded = recorded.ok().flatten();
    Carried::with(attributes, Box::pin(persevere(gateway, run, recorded))).instrument(span).await;
}

async fn persevere(gateway: &Arc<Gateway>, run: Run, recorded: Option<Arc<OperationRow>>) {
    let until = Instant::now() + gateway.limits.execution;
    let mut pause = Duration::from_millis(10);
    loop {
        let result = match AssertUnwindSafe(attempt(gateway, run, recorded.as_deref())).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Err(Error::internal("the handler panicked")),
        };
        let result = match result {
            Ok(Step::Done) => return,
            Ok(Step::Reauthorize(stored)) => reauthorize(gateway, *stored).await,
            Err(error) if error.code().error_type() == Type::Internal => {
                error.trace();
                refuse(gateway, run, (&Error::new(Code::INTERNAL)).into(), None).await.map(|()| Step::Done)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(Step::Done) => return,
            Ok(Step::Reauthorize(_)) => {}
            Err(error) => error.trace(),
        }
        if Instant::now() >= until {
            let now = gateway.clock.now();
            let (organization, id) = (run.organization.into(), OperationId(run.operation));
            match gateway.operations.put_off(organization, id, now).await {
                Ok(()) => gateway.live.committed(&[], (organization, id)),
                Err(error) => error.trace(),
            }
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

async fn attempt(gateway: &Arc<Gateway>, run: Run, recorded: Option<&OperationRow>) -> Result<Step> {
    let (organization, id): (crate::OrganizationId, _) = (run.organization.into(), OperationId(run.operation));
    let read;
    let recorded = match recorded {
        Some(recorded) => recorded,
        None => {
            let found = gateway.operations.get(organization, id).await?;
            read = found.ok_or_else(|| Error::internal("an operation is gone"))?;
            &read
        }
    };
    let Some(entry) = gateway.table.get(&recorded.view.procedure) else {
        return Err(Error::internal(format!("no procedure {}", recorded.view.procedure)));
    };
    let whose = Whose { tenant: run.organization, person: recorded.view.initiator.0 };
    let crowded = |_| Error::unavailable("too many operations of the organization wait");
    let _turn = gateway.changes.take(whose, 1).await.map_err(crowded)?;
    let who = (entry.scope() == Scope::Organization).then_some(recorded.view.initiator);
    gateway.drift.ensure()?;
    let Claimed { tx, stored, actor } = gateway.operations.claim(organization, id, who, entry.changes_rights()).await?;
    // It was refused meanwhile, and made room for the next request with its key.
    let Some(stored) = stored else { return Ok(Step::Done) };
    if stored.outcome.is_some() {
        // The process that committed the outcome may have died before it told anyone.
        gateway.live.committed(&[organization], (organization, stored.view.id));
        gateway.waits.ended(stored);
        return Ok(Step::Done);
    }
    gateway.faults.at(Boundary::AfterClaim, entry.name()).await?;

    let actor = match (entry.scope(), stored.claim.grant, actor) {
        (Scope::Principal, ..) => Some(Actor::own_scope(stored.view.initiator, stored.view.initiator_kind)),
        (Scope::Organization, Some((grant, _)), Some(actor)) => gateway.identity.through_locked(&tx, actor, grant).await?,
        (Scope::Organization, _, actor) => actor,
    };
    let age = (gateway.clock.now() - stored.claim.decided_at).to_std().unwrap_or_default();
    let actor = match actor {
        Some(actor) if rests_on(&actor, &stored.claim) && age < gateway.limits.decision => actor,
        _ => return Ok(Step::Reauthorize(Box::new(stored))),
    };
    if let Some(through) = actor.through {
        tx.reach(organization, &[through.owner]).await?;
    }
    let trace_id = stored.view.trace_id.clone().unwrap_or_default();
    let cx = Context::domain(gateway, actor, stored.view.id, trace_id, entry.parts(), tx);
    let payload = stored.payload.clone().ok_or_else(|| Error::internal("an unfinished operation without its input"))?;
    match entry.perform(&cx, payload, &stored.claim).await? {
        Performed::Moved => return Ok(Step::Reauthorize(Box::new(stored))),
        Performed::Ended(outcome @ Outcome::Result(_)) => finish(gateway, cx, entry, stored, outcome).await?,
        Performed::Ended(Outcome::Refusal(refusal)) => {
            // The drop rolls back the handler's work and the claim with it, so `refuse` claims again.
            drop(cx);
            refuse(gateway, run, refusal, Some(entry)).await?;
        }
    }
    Ok(Step::Done)
}

/// Whether the facts about the actor that the decision rests on are unchanged.
fn rests_on(actor: &Actor, claim: &Claim) -> bool {
    actor.epoch == claim.epoch
        && actor.policy_facts() == claim.policy_facts
        && actor.through.map(|through| (through.grant, through.epoch)) == claim.grant
}

async fn finish(gateway: &Arc<Gateway>, cx: Context, entry: &Entry, stored: OperationRow, outcome: Outcome) -> Result<()> {
    let (organization, id) = (stored.view.organization_id, stored.view.id);
    let events = cx.take_events();
    let grown: Vec<_> = events.iter().map(|event| event.organization).collect();
    let rights = events.iter().any(|event| event.rights);
    for event in &events {
        Carried::about(event.resource_kind, event.resource_id);
    }
    // Who founds or joins an organization, or answers its offer, writes that organization's log.
    let elsewhere = grown.iter().copied().find(|grown| *grown != cx.organization() && *grown != cx.owner());
    let log = Log { cx: &cx, events, elsewhere };
    let stored = gateway.operations.conclude(cx.tx().await?, stored, outcome, Some(log)).await?;
    gateway.faults.at(Boundary::BeforeCommit, entry.name()).await?;
    if let Some(tx) = cx.into_tx() {
        tx.commit().await?;
    }
    if rights {
        gateway.identity.rights_changed(&grown);
    }
    gateway.live.committed(&grown, (organization, id));
    gateway.faults.at(Boundary::AfterCommit, entry.name()).await?;
    gateway.waits.ended(stored);
    Ok(())
}

/// Decides again on the rows as they are now. A lost right ends the operation.
async fn reauthorize(gateway: &Arc<Gateway>, stored: OperationRow) -> Result<Step> {
    let Some(entry) = gateway.table.get(&stored.view.procedure) else { return Err(Error::internal("no such procedure")) };
    let payload = stored.payload.clone().ok_or_else(|| Error::internal("an unfinished operation without its input"))?;
    let run = Run { organization: stored.view.organization_id.0, operation: stored.view.id.0, attempt: stored.view.attempt };
    let actor = match entry.scope() {
        Scope::Principal => Ok(Actor::own_scope(stored.view.initiator, stored.view.initiator_kind)),
        Scope::Organization => {
            let grant = stored.claim.grant.map(|(grant, _)| grant);
            gateway.identity.actor(stored.view.initiator, stored.view.organization_id, grant).await
        }
    };
    let decided = match actor {
        Ok(actor) => entry.judge(gateway, actor, payload).await,
        Err(error) => Err(error),
    };
    match decided {
        Ok(claim) => {
            gateway.operations.reauthorized(stored.view.organization_id, stored.view.id, &claim).await?;
            Ok(Step::Reauthorize(Box::new(stored)))
        }
        Err(error) if matches!(error.code().error_type(), Type::Unavailable | Type::Internal) => Err(error),
        Err(_) => refuse(gateway, run, (&Error::new(Code::AUTHORITY_LOST)).into(), None).await.map(|()| Step::Done),
    }
}

/// Ends the operation with a refusal, from its handler or from the waist, unless it ended meanwhile.
async fn refuse(gateway: &Arc<Gateway>, run: Run, refusal: StoredError, by: Option<&Entry>) -> Result<()> {
    let (organization, id): (crate::OrganizationId, _) = (run.organization.into(), OperationId(run.operation));
    let Claimed { tx, stored, .. } = gateway.operations.claim(organization, id, None, false).await?;
    let Some(mut stored) = stored else { return Err(Error::unavailable("a claim found no operation")) };
    if stored.outcome.is_none() {
        stored = gateway.operations.conclude(&tx, stored, Outcome::Refusal(refusal), None).await?;
        if let Some(entry) = by {
            gateway.faults.at(Boundary::BeforeCommit, entry.name()).await?;
        }
        tx.commit().await?;
        gateway.live.committed(&[], (organization, id));
        if let Some(entry) = by {
            gateway.faults.at(Boundary::AfterCommit, entry.name()).await?;
        }
    } else {
        // The process that committed the outcome may have died before it told anyone.
        gateway.live.committed(&[organization], (organization, id));
    }
    gateway.waits.ended(stored);
    Ok(())
}
