use super::{CHANGE, counts_still, event};
use async_graphql::InputObject;
use entities::{
    access_grant::{self, AccessGrant, AccessScope},
    loading::{self, Seen, expect_version},
};
use garde::Validate;
use schema::{AccessGrantId, Allowed, Change, Code, Context, Error, Kind, Procedure, Result, Time, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is. A grant never grows: for more, give another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessGrantNarrowInput {
    #[garde(skip)]
    pub id: AccessGrantId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    /// What stays of it.
    #[garde(custom(valid::count(1, 100)))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<AccessScope>>,
    /// An earlier end.
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
}

pub struct Narrow;

impl Procedure for Narrow {
    const NAME: &'static str = "accessGrant/v1/narrow";
    const ABOUT: &'static str = "Lets a grant go less far, or end earlier, at once.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::AccessGrantEnded];
    type Input = AccessGrantNarrowInput;
    type Output = AccessGrant;
    type Subject = Seen<access_grant::Model>;

    fn example() -> AccessGrantNarrowInput {
        AccessGrantNarrowInput {
            id: AccessGrantId(uuid::uuid!("01920000-0000-7000-8000-0000000000e1")),
            version: 1,
            scopes: Some(vec![AccessScope::Read]),
            ends_at: None,
        }
    }

    async fn subject(cx: &Context, input: &AccessGrantNarrowInput) -> Result<Self::Subject> {
        loading::one(cx, access_grant::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: AccessGrantNarrowInput) -> Result<AccessGrant> {
        let AccessGrantNarrowInput { id: _, version, scopes, ends_at } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        counts_still(&row, cx.now())?;
        let refuse = |field: &str, message: &str| Err(Error::new(Code::InvalidInput).field(field, "NOT_NARROWER", message));
        // Whoever may act may see.
        let within =
            |scope: &String| row.scopes.contains(scope) || (scope == "read" && row.scopes.iter().any(|had| had == "act"));
        let scopes = scopes.map(|scopes| AccessScope::stored(&scopes));
        if scopes.as_ref().is_some_and(|scopes| !scopes.iter().all(within)) {
            return refuse("scopes", "it does not go that far");
        }
        let ends_at = ends_at.map(|time| time.0);
        if ends_at.is_some_and(|ends| ends <= cx.now().max(row.starts_at) || row.ends_at.is_some_and(|had| ends > had)) {
            return refuse("endsAt", "must be later than now, and earlier than it ends");
        }
        let version = row.version + 1;
        let mut fields = Vec::new();
        let mut row = row.into_active_model();
        if let Some(scopes) = scopes {
            row.scopes = Set(scopes);
            fields.push("scopes");
        }
        if ends_at.is_some() {
            row.ends_at = Set(ends_at);
            fields.push("endsAt");
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        let change = Change::fields(&fields).id("granteeOrganizationId", Some(row.grantee_organization_id.0));
        cx.changed(event("access_grant.narrowed", &row, change));
        Ok(row.into())
    }
}
