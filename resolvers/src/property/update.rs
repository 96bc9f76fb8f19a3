use super::{CHANGE, event};
use crate::external_party::known_hoa;
use async_graphql::{InputObject, MaybeUndefined};
use entities::{
    external_party::ExternalPartyId,
    loading::{self, Seen, expect_version},
    property::{self, Address, Property, PropertyId, PropertyKind, PropertyStatus},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Error, Kind, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};

/// What is absent stays as it is; null clears what can be cleared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyUpdateInput {
    #[garde(skip)]
    pub id: PropertyId,
    /// The version that was read.
    #[garde(custom(valid::version))]
    pub version: i32,
    #[garde(skip)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub kind: Option<PropertyKind>,
    /// Replaced as a whole.
    #[garde(dive)]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[garde(custom(valid::text(100)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub parcel: MaybeUndefined<String>,
    #[garde(custom(property::time_zone))]
    #[serde(default, deserialize_with = "schema::present", skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[garde(custom(valid::text(10_000)))]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<String>")]
    pub notes: MaybeUndefined<String>,
    /// An external party of kind HOA.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schemars(with = "Option<ExternalPartyId>")]
    pub hoa_id: MaybeUndefined<ExternalPartyId>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "property/v1/update";
    const ABOUT: &'static str = "Changes what is known about a property.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[Code::VersionConflict, Code::PropertyArchived];
    type Input = PropertyUpdateInput;
    type Output = Property;
    type Subject = Seen<property::Model>;

    fn example() -> PropertyUpdateInput {
        PropertyUpdateInput {
            id: PropertyId(uuid::uuid!("01920000-0000-7000-8000-0000000000a1")),
            version: 1,
            kind: None,
            address: None,
            parcel: MaybeUndefined::Undefined,
            time_zone: None,
            notes: MaybeUndefined::Value("Roof renewed in 2025.".into()),
            hoa_id: MaybeUndefined::Undefined,
        }
    }

    async fn subject(cx: &Context, input: &PropertyUpdateInput) -> Result<Self::Subject> {
        loading::one(cx, property::by_id(cx.owner(), input.id)).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PropertyUpdateInput) -> Result<Property> {
        let PropertyUpdateInput { id: _, version, kind, address, parcel, time_zone, notes, hoa_id } = input;
        let row = allowed.into_subject().row;
        expect_version(row.version, version)?;
        if row.status == PropertyStatus::Archived {
            return Err(Error::new(Code::PropertyArchived));
        }
        if let MaybeUndefined::Value(hoa) = hoa_id {
            known_hoa(cx, Some(hoa)).await?;
        }
        let mut fields = Vec::new();
        let version = row.version + 1;
        let mut row = row.into_active_model();
        if let Some(kind) = kind {
            row.kind = Set(kind);
            fields.push("kind");
        }
        if let Some(Address { line1, line2, locality, region, postal_code, country }) = address {
            row.line1 = Set(line1);
            row.line2 = Set(line2);
            row.locality = Set(locality);
            row.region = Set(region);
            row.postal_code = Set(postal_code);
            row.country = Set(country);
            fields.push("address");
        }
        if !parcel.is_undefined() {
            row.parcel = Set(parcel.take());
            fields.push("parcel");
        }
        if let Some(time_zone) = time_zone {
            row.time_zone = Set(time_zone);
            fields.push("timeZone");
        }
        if !notes.is_undefined() {
            row.notes = Set(notes.take());
            fields.push("notes");
        }
        let hoa = hoa_id.value().copied();
        if !hoa_id.is_undefined() {
            row.hoa_id = Set(hoa);
            fields.push("hoaId");
        }
        row.version = Set(version);
        row.updated_at = Set(cx.now());
        let row = row.update(cx.tx().await?).await?;
        cx.changed(event("property.updated", &row, Change::fields(&fields).id("hoaId", hoa.map(|id| id.0))));
        Ok(row.into())
    }
}
