use super::{CHANGE, event};
use async_graphql::InputObject;
use entities::{
    loading::{self, Seen, expect_version},
    property::{self, Property, PropertyId, PropertyStatus},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyRestoreInput {
    #[garde(skip)]
    pub id: PropertyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
}

pub struct Restore;

impl Procedure for Restore {
    const NAME: &'static str = "property/v1/restore";
    const ABOUT: &'static str = "Takes an archived property back into care.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::PropertyNotArchived];
    type Input = PropertyRestoreInput;
    type Output = Property;
    type Subject = Seen<property::Model>;

    fn example() -> PropertyRestoreInput {
        PropertyRestoreInput { id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")), version: 1 }
    }

    async fn subject(cx: &Context, input: &PropertyRestoreInput) -> Result<Self::Subject> {
        loading::one(cx, property::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PropertyRestoreInput) -> Result<Property> {
        let PropertyRestoreInput { id: _, version } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if row.status == PropertyStatus::Active {
            return Err(Error::new(Code::PropertyNotArchived));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.status = Set(PropertyStatus::Active);
        row.archived_at = Set(None);
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("property.restored", &row, Change::fields(&["status"])));
        Ok(row.into())
    }
}
