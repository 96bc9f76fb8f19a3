use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::access_grant::{self, AccessGrant, AccessGrantKind, AccessScope};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, New, OrganizationId, Procedure, Result, Time, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessGrantGrantInput {
    #[garde(skip)]
    pub kind: AccessGrantKind,
    /// A concierge's organization.
    #[garde(skip)]
    pub grantee_organization_id: OrganizationId,
    /// How far it goes.
    #[garde(custom(valid::count(1, 100)))]
    pub scopes: Vec<AccessScope>,
    /// From when it counts; from now on if absent.
    #[garde(skip)]
    pub starts_at: Option<Time>,
    /// When it ends by itself.
    #[garde(skip)]
    pub ends_at: Option<Time>,
    /// Why it is given: kept for good.
    #[garde(custom(valid::text(1_000)))]
    pub reason: Option<String>,
}

pub struct Grant;

impl Procedure for Grant {
    const NAME: &'static str = "accessGrant/v1/grant";
    const ABOUT: &'static str = "Lets a concierge's organization see, or look after, what the acting organization owns.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[];
    type Input = AccessGrantGrantInput;
    type Output = AccessGrant;
    type Subject = New;

    fn example() -> AccessGrantGrantInput {
        AccessGrantGrantInput {
            kind: AccessGrantKind::Engagement,
            grantee_organization_id: OrganizationId(uuid::uuid!("01920000-0000-7000-8000-0000000000f9")),
            scopes: vec![AccessScope::Act],
            starts_at: None,
            ends_at: None,
            reason: Some("Looks after the houses while we are abroad".into()),
        }
    }

    async fn subject(cx: &Context, input: &AccessGrantGrantInput) -> Result<New> {
        Ok(New::of(cx, access_grant::KIND, serde_json::json!({ "kind": input.kind.as_str() })))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: AccessGrantGrantInput) -> Result<AccessGrant> {
        let AccessGrantGrantInput { kind, grantee_organization_id, scopes, starts_at, ends_at, reason } = input;
        let refuse = |field: &str, code: &str, message: &str| Err(Error::new(Code::InvalidInput).field(field, code, message));
        let starts_at = starts_at.map_or(cx.now(), |time| time.0);
        let ends_at = ends_at.map(|time| time.0);
        if ends_at.is_some_and(|ends| ends <= starts_at.max(cx.now())) {
            return refuse("endsAt", "TOO_EARLY", "must be later than now and than startsAt");
        }
        let tx = cx.tx().await?;
        if grantee_organization_id == cx.organization() || !access_grant::concierge(tx, grantee_organization_id).await? {
            return refuse("granteeOrganizationId", "NOT_FOUND", "there is no such concierge's organization");
        }
        let row = access_grant::ActiveModel {
            organization_id: Set(cx.organization()),
            id: Set(cx.new_id()),
            grantee_organization_id: Set(grantee_organization_id),
            kind: Set(kind),
            scopes: Set(AccessScope::stored(&scopes)),
            starts_at: Set(starts_at),
            ends_at: Set(ends_at),
            revoked_at: Set(None),
            revoked_by: Set(None),
            revoke_reason: Set(None),
            granted_by: Set(cx.actor.principal),
            reason: Set(reason),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
        };
        let row = row.insert(tx).await?;
        let change = Change::default().id("granteeOrganizationId", Some(grantee_organization_id.0));
        cx.changed(event("access_grant.granted", &row, change));
        Ok(row.into())
    }
}
