use super::CHANGE;
use crate::prelude::*;
use entities::access_grant::{self, AccessGrant, AccessGrantKind, AccessScope, Fresh};

#[input]
pub struct AccessGrantGrantInput {
    pub kind: AccessGrantKind,
    /// A concierge's organization.
    pub grantee_organization_id: OrganizationId,
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
    const ABOUT: &'static str = "Lets a concierge's organization see, or look after, what the acting organization owns.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    type Input = AccessGrantGrantInput;
    type Output = AccessGrant;
    type Subject = New<Fresh>;

    fn example() -> AccessGrantGrantInput {
        AccessGrantGrantInput {
            kind: AccessGrantKind::Engagement,
            grantee_organization_id: OrganizationId::CONCIERGE_EXAMPLE,
            scopes: vec![AccessScope::Act],
            starts_at: None,
            ends_at: None,
            reason: Some("Looks after the houses while we are abroad".into()),
        }
    }

    async fn subject(cx: &Context, input: &AccessGrantGrantInput) -> Result<New<Fresh>> {
        let AccessGrantGrantInput { kind, grantee_organization_id, scopes, starts_at, ends_at, reason } = input.clone();
        let fresh = Fresh {
            grantee_organization_id,
            kind,
            scopes: AccessScope::stored(&scopes),
            starts_at: starts_at.unwrap_or(cx.now().into()),
            ends_at,
            revoked_at: None,
            revoked_by: None,
            revoke_reason: None,
            granted_by: cx.actor.principal,
            reason,
        };
        Ok(New::of(cx, fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: AccessGrantGrantInput) -> Result<AccessGrant> {
        let fresh = allowed.subject().fresh();
        Term::of(fresh.starts_at, fresh.ends_at).ensure_ahead(cx.now().into())?;
        let grantee = fresh.grantee_organization_id;
        if grantee == cx.organization() || !access_grant::concierge(cx.tx().await?, grantee).await? {
            return Err(Error::invalid("granteeOrganizationId", "NOT_FOUND", "there is no such concierge's organization"));
        }
        Ok(cx.create_as(allowed, "granted").await?.into())
    }
}
