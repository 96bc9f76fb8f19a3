//! The verb of the timer: a case is planned by a service level that has begun.

use super::{CHANGE, work::Work};
use crate::prelude::*;
use concierge::case::{Case, CaseId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

timed!(
    Replan "case/v1/replan" CaseReplanInput of Case, such as CaseId::SECOND_EXAMPLE;
    "Plans a case by the service level that has begun. The work until then counts by the one before.";
    CHANGE, changes_rights: false, errors: [];
    replan
);

async fn replan(cx: &Context, allowed: Allowed<Seen<Case>>) -> Result<Case> {
    let mut work = Work::on_any(cx, allowed).await?;
    let (owner, id) = (work.edit.organization_id, work.edit.id);
    work.replan(cx);
    let values = [owner.0.into(), id.0.into()];
    let done = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.replanned($1, $2)", values);
    cx.tx().await?.execute_raw(done).await?;
    let promised = |case: &Case| (case.desk_id, case.acknowledge_by, case.acknowledge_soon, case.resolve_by, case.resolve_soon);
    if promised(&work.next) == promised(&work.edit) {
        // The new level promises the same: the case stays as it is, and nobody is told.
        return Ok(work.edit.clone());
    }
    work.done(cx, "replanned").await
}
