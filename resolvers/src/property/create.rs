use super::{CHANGE, event};
use crate::external_party::known_hoa;
use async_graphql::InputObject;
use entities::{
    external_party::ExternalPartyId,
    property::{self, Address, Property, PropertyKind, PropertyStatus},
};
use garde::Validate;
use schema::{Allowed, Change, Code, Context, Kind, New, Procedure, Result, valid};
use schemars::JsonSchema;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyCreateInput {
    #[garde(skip)]
    pub kind: PropertyKind,
    #[garde(dive)]
    pub address: Address,
    /// The land register's number of it.
    #[garde(custom(valid::text(100)))]
    pub parcel: Option<String>,
    /// IANA name, such as `America/Phoenix`.
    #[garde(custom(property::time_zone))]
    pub time_zone: String,
    #[garde(custom(valid::text(10_000)))]
    pub notes: Option<String>,
    /// An external party of kind HOA.
    #[garde(skip)]
    pub hoa_id: Option<ExternalPartyId>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "property/v1/create";
    const ABOUT: &'static str = "Takes a property into the organization's care.";
    const KIND: Kind = Kind::Mutation(CHANGE);
    const ERRORS: &'static [Code] = &[];
    type Input = PropertyCreateInput;
    type Output = Property;
    type Subject = New;

    fn example() -> PropertyCreateInput {
        PropertyCreateInput {
            kind: PropertyKind::SingleFamily,
            address: Address {
                line1: "12 Saguaro Lane".into(),
                line2: None,
                locality: "Tucson".into(),
                region: Some("AZ".into()),
                postal_code: Some("85701".into()),
                country: "US".into(),
            },
            parcel: Some("117-20-044".into()),
            time_zone: "America/Phoenix".into(),
            notes: Some("Gate code with the neighbour.".into()),
            hoa_id: None,
        }
    }

    async fn subject(cx: &Context, input: &PropertyCreateInput) -> Result<New> {
        let attributes = serde_json::json!({ "kind": input.kind.as_str(), "status": "ACTIVE" });
        Ok(New::of(cx, property::KIND, attributes))
    }

    async fn handle(cx: &Context, _: Allowed<New>, input: PropertyCreateInput) -> Result<Property> {
        let PropertyCreateInput { kind, address, parcel, time_zone, notes, hoa_id } = input;
        let Address { line1, line2, locality, region, postal_code, country } = address;
        known_hoa(cx, hoa_id).await?;
        let row = property::ActiveModel {
            organization_id: Set(cx.owner()),
            id: Set(cx.new_id()),
            kind: Set(kind),
            line1: Set(line1),
            line2: Set(line2),
            locality: Set(locality),
            region: Set(region),
            postal_code: Set(postal_code),
            country: Set(country),
            parcel: Set(parcel),
            time_zone: Set(time_zone),
            status: Set(PropertyStatus::Active),
            notes: Set(notes),
            hoa_id: Set(hoa_id),
            version: Set(1),
            created_at: Set(cx.now()),
            updated_at: Set(cx.now()),
            archived_at: Set(None),
        };
        let row = row.insert(cx.tx().await?).await?;
        cx.changed(event("property.created", &row, Change::default().id("hoaId", hoa_id.map(|id| id.0))));
        Ok(row.into())
    }
}
