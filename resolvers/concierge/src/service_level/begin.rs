//! The verb of the timer: a service level begins.

use super::CHANGE;
use crate::prelude::*;
use concierge::service_level::{ServiceLevel, ServiceLevelId};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, Statement};

timed!(
    Begin "serviceLevel/v1/begin" ServiceLevelBeginInput of ServiceLevel, such as ServiceLevelId::EXAMPLE;
    "Lets the open cases of a desk be planned anew, since a service level has begun.";
    CHANGE, changes_rights: false, errors: [];
    begin
);

async fn begin(cx: &Context, allowed: Allowed<Seen<ServiceLevel>>) -> Result<ServiceLevel> {
    let mut row = cx.edit_any(allowed);
    let values = [row.organization_id.0.into(), row.starts_at.0.into()];
    let later = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT app.replan_later($1, $2)", values);
    cx.tx().await?.execute_raw(later).await?;
    row.active.begins_at = Set(None);
    cx.save(row, "begun").await
}
