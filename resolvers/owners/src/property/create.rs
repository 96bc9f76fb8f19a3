use super::{CHANGE, SAME_ADDRESS};
use crate::{external_party::ensure_hoa, prelude::*};
use owners::{
    external_party::ExternalPartyId,
    property::{self, Address, Fresh, Property, PropertyKind},
};
use schema::Hints;

#[input]
pub struct PropertyCreateInput {
    pub kind: PropertyKind,
    #[dive]
    pub address: Address,
    /// The land register's number of it.
    #[text(100)]
    pub parcel: Option<String>,
    /// IANA name, such as `America/Phoenix`.
    #[rule(property::time_zone)]
    pub time_zone: String,
    #[text(10_000)]
    pub notes: Option<String>,
    /// An external party of kind HOA.
    pub hoa_id: Option<ExternalPartyId>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "property/v1/create";
    const ABOUT: &'static str = "Takes a property into the organization's care.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[];
    const HINTS: Option<&'static Hints> = Some(&SAME_ADDRESS);
    type Input = PropertyCreateInput;
    type Output = Property;
    type Subject = New<Fresh>;

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

    async fn subject(cx: &Context, input: &PropertyCreateInput) -> Result<New<Fresh>> {
        let PropertyCreateInput { kind, address, parcel, time_zone, notes, hoa_id } = input.clone();
        let Address { line1, line2, locality, region, postal_code, country } = address;
        let fresh = Fresh { kind, line1, line2, locality, region, postal_code, country, parcel, time_zone, notes, hoa_id };
        Ok(New::of(cx, fresh).refers("hoaId", hoa_id.map(|id| id.0)))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, _: PropertyCreateInput) -> Result<Property> {
        ensure_hoa(cx, allowed.subject().fresh().hoa_id).await?;
        Ok(cx.create(allowed).await?.into())
    }
}
