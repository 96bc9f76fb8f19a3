use super::{CHANGE, PROPERTY_ARCHIVED, SAME_ADDRESS};
use crate::{external_party::ensure_hoa, prelude::*};
use owners::{
    external_party::ExternalPartyId,
    property::{self, Address, Property, PropertyId, PropertyKind},
};
use schema::Hints;
use sea_orm::ActiveValue::Set;

/// What is absent stays as it is; null clears what can be cleared.
#[input]
pub struct PropertyUpdateInput {
    pub id: PropertyId,
    /// The version that was read.
    #[version]
    pub version: i32,
    #[patch]
    pub kind: Option<PropertyKind>,
    /// Replaced as a whole.
    #[patch(dive)]
    pub address: Option<Address>,
    #[patch(text(100))]
    pub parcel: MaybeUndefined<String>,
    #[patch(rule(property::time_zone))]
    pub time_zone: Option<String>,
    #[patch(text(10_000))]
    pub notes: MaybeUndefined<String>,
    /// An external party of kind HOA.
    #[patch]
    pub hoa_id: MaybeUndefined<ExternalPartyId>,
}

pub struct Update;

impl Procedure for Update {
    const NAME: &'static str = "property/v1/update";
    const ABOUT: &'static str = "Changes what is known about a property.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, PROPERTY_ARCHIVED];
    const HINTS: Option<&'static Hints> = Some(&SAME_ADDRESS);
    type Input = PropertyUpdateInput;
    type Output = Property;
    type Subject = Seen<property::Model>;

    fn example() -> PropertyUpdateInput {
        let notes = MaybeUndefined::Value("Roof renewed in 2025.".into());
        PropertyUpdateInput { notes, ..PropertyUpdateInput::of(PropertyId::EXAMPLE, 1) }
    }

    async fn subject(cx: &Context, input: &PropertyUpdateInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: PropertyUpdateInput) -> Result<Property> {
        let PropertyUpdateInput { id: _, version, kind, address, parcel, time_zone, notes, hoa_id } = input;
        let mut row = cx.edit(allowed, version)?;
        ensure_in_use(&*row, PROPERTY_ARCHIVED)?;
        let hoa = hoa_id.value().copied();
        ensure_hoa(cx, hoa).await?;
        patch!(row: kind);
        if let Some(address) = address.filter(|address| *address != row.address()) {
            let Address { line1, line2, locality, region, postal_code, country } = address;
            row.active.line1 = Set(line1);
            row.active.line2 = Set(line2);
            row.active.locality = Set(locality);
            row.active.region = Set(region);
            row.active.postal_code = Set(postal_code);
            row.active.country = Set(country);
            row.related("address");
        }
        patch!(row: parcel, time_zone, notes, hoa_id);
        if hoa != row.hoa_id {
            row.refers("hoaId", hoa.map(|id| id.0));
        }
        Ok(cx.save(row, "updated").await?.into())
    }
}
