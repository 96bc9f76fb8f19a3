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
pub struct PropertyArchiveInput {
    #[garde(skip)]
    pub id: PropertyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
}

pub struct Archive;

impl Procedure for Archive {
    const NAME: &'static str = "property/v1/archive";
    const ABOUT: &'static str = "Puts a property aside. Nothing is lost; it can be restored.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::PropertyArchived];
    type Input = PropertyArchiveInput;
    type Output = Property;
    type Subject = Seen<property::Model>;

    fn example() -> PropertyArchiveInput {
        PropertyArchiveInput { id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")), version: 1 }
    }

    async fn subject(cx: &Context, input: &PropertyArchiveInput) -> Result<Self::Subject> {
        loading::one(cx, property::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PropertyArchiveInput) -> Result<Property> {
        let PropertyArchiveInput { id: _, version } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if row.status == PropertyStatus::Archived {
            return Err(Error::new(Code::PropertyArchived));
        }
        let version = row.version + 1;
        let mut row = row.into_active_model();
        row.status = Set(PropertyStatus::Archived);
        row.archived_at = Set(Some(cx.now()));
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("property.archived", &row, Change::fields(&["status"])));
        Ok(row.into())
    }
}
