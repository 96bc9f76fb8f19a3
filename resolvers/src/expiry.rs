//! Ends that come by themselves: the deadline is a column, rights end with it at once, and the gateway
//! notes the end as the system, once.

use chrono::{DateTime, Utc};
use entities::principal::SYSTEM;
use schema::{Caller, Gateway, OrganizationId, PrincipalKind, Procedure, run};
use std::sync::Arc;
use uuid::Uuid;

/// One thing whose term is over.
pub type Due<Id> = (OrganizationId, Id, DateTime<Utc>);

/// Ends what is due. The key follows from the thing, its term and the hour, so however often and on
/// however many replicas this runs, each end happens once.
pub async fn end<P: Procedure, Id: Copy>(
    gateway: &Arc<Gateway>,
    due: Vec<Due<Id>>,
    uuid: fn(Id) -> Uuid,
    input: fn(Id) -> P::Input,
) {
    for (organization, id, ends) in due {
        let until = DateTime::<Utc>::MAX_UTC;
        let caller =
            Caller { principal: SYSTEM, kind: PrincipalKind::System, organization: Some(organization), grant: None, until };
        // The hour is in the key, so that a failure is tried anew and a success never is.
        let hour = gateway.clock.now().timestamp() / 3_600;
        let name = format!("{}/{organization}/{}/{hour}", P::NAME, ends.timestamp_micros());
        let key = Uuid::new_v5(&uuid(id), name.as_bytes());
        if let Err(error) = run::<P>(gateway, &caller, key, input(id)).await {
            error.trace();
        }
    }
}
