use super::CHANGE;
use crate::{answer_by, prelude::*};
use entities::{
    access_grant::{self, AccessGrant, AccessGrantKind, AccessScope, Fresh},
    desk,
};
use schema::quota::GRANTS;

/// Name the desk by exactly one of `granteeHandle` and `granteeOrganizationId`.
#[input(one_of(grantee_handle, grantee_organization_id))]
pub struct AccessGrantGrantInput {
    pub kind: AccessGrantKind,
    /// The public name of a desk, such as `desert-sky`, as somebody typed it or read it on a card.
    #[handle]
    pub grantee_handle: Option<String>,
    /// The id of a desk's organization, as `Desk.id`.
    pub grantee_organization_id: Option<OrganizationId>,
    /// How far it goes.
    #[count(1, 100)]
    pub scopes: Vec<AccessScope>,
    /// From when it counts; from now on if absent.
    pub starts_at: Option<Time>,
    /// When it ends by itself.
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Grant;

impl Procedure for Grant {
    const NAME: &'static str = "accessGrant/v1/grant";
    const ABOUT: &'static str =
        "Offers a concierge's organization to see, or look after, what the acting organization owns. It counts once they accept.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = AccessGrantGrantInput;
    type Output = AccessGrant;
    type Subject = New<Fresh>;

    fn example() -> AccessGrantGrantInput {
        AccessGrantGrantInput {
            kind: AccessGrantKind::Engagement,
            grantee_handle: None,
            grantee_organization_id: Some(OrganizationId::CONCIERGE_EXAMPLE),
            scopes: vec![AccessScope::Act],
            starts_at: None,
            ends_at: None,
            reason: Some("Looks after the houses while we are abroad".into()),
        }
    }

    async fn subject(cx: &Context, input: &AccessGrantGrantInput) -> Result<New<Fresh>> {
        let AccessGrantGrantInput { kind, grantee_handle, grantee_organization_id, scopes, starts_at, ends_at, reason } =
            input.clone();
        let named = match &grantee_handle {
            Some(handle) => desk::by_handle(cx.tx().await?, handle).await?,
            None => grantee_organization_id,
        };
        let fresh = Fresh {
            // An unknown one is told once the policies have let the caller ask.
            grantee_organization_id: named.unwrap_or(OrganizationId::NONE),
            kind,
            scopes: AccessScope::stored(&scopes),
            asked_from: starts_at.unwrap_or(cx.now().into()),
            starts_at: None,
            ends_at,
            answer_by: Some(answer_by(cx)),
            accepted_at: None,
            accepted_by: None,
            revoked_at: None,
            revoked_by: None,
            revoke_reason: None,
            granted_by: cx.actor.principal,
            reason,
        };
        Ok(New::of(cx, fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, input: AccessGrantGrantInput) -> Result<AccessGrant> {
        let fresh = allowed.subject().fresh();
        Term::of(fresh.asked_from, fresh.ends_at).ensure_ahead(cx.now().into())?;
        let grantee = fresh.grantee_organization_id;
        let field = if input.grantee_handle.is_some() { "granteeHandle" } else { "granteeOrganizationId" };
        if grantee == cx.organization() {
            return Err(Error::invalid(field, "OWN_ORGANIZATION", "nobody lets themselves in"));
        }
        if !access_grant::concierge(cx.tx().await?, grantee).await? {
            return Err(Error::invalid(field, "NOT_FOUND", "there is no such concierge's organization"));
        }
        let open = "SELECT FROM access_grant WHERE organization_id = $1 AND revoked_at IS NULL
               AND (ends_at IS NULL OR ends_at > $2) AND (accepted_at IS NOT NULL OR answer_by > $2)";
        GRANTS.ensure_rows(cx.tx().await?, cx.organization(), open, [cx.now().into()]).await?;
        Ok(cx.create_as(allowed, "granted").await?.into())
    }
}
