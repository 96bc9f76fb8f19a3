//! A small believable world, made through the same procedures as everything else.

mod year;

use crate::{Fault, app::told, secrets::ISSUER};
use async_graphql::MaybeUndefined;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use entities::{
    access_grant::{AccessGrantKind, AccessScope},
    delegation::DelegatedAction,
    external_party::{ExternalPartyId, ExternalPartyKind},
    financial_entry::FinancialEntryKind,
    organization::OrganizationType,
    ownership::OwnershipCapacity,
    portfolio::PortfolioId,
    property::{Address, PropertyId, PropertyKind},
};
use resolvers::{
    access_grant, delegation, external_party, financial_entry, membership, organization, ownership, portfolio, property,
};
use schema::{
    AccessGrantId, Caller, Date, Gateway, Long, OrganizationId, PrincipalId, PrincipalKind, Procedure, Role, Time, run,
};
use sqlx::PgPool;
use std::sync::Arc;
use uuid::Uuid;

/// A person of the demo. The subject is the `sub` of their tokens.
pub struct Person {
    pub subject: &'static str,
    pub name: &'static str,
    pub email: &'static str,
}

const MARIA: Person = Person { subject: "demo|maria", name: "Maria Alvarez", email: "maria.alvarez@example.com" };
const INES: Person = Person { subject: "demo|ines", name: "Ines Alvarez", email: "ines.alvarez@example.com" };
const ROBERT: Person = Person { subject: "demo|robert", name: "Robert Chen", email: "robert.chen@example.com" };
const PRIYA: Person = Person { subject: "demo|priya", name: "Priya Natarajan", email: "priya.natarajan@example.com" };
const JONAS: Person = Person { subject: "demo|jonas", name: "Jonas Natarajan", email: "jonas.natarajan@example.com" };
const DANA: Person = Person { subject: "demo|dana", name: "Dana Okafor", email: "dana.okafor@example.com" };
const SAM: Person = Person { subject: "demo|sam", name: "Sam Reyes", email: "sam.reyes@example.com" };

const LENA: Person = Person { subject: "demo|lena", name: "Lena Ortiz", email: "lena.ortiz@example.com" };

/// The roles that are shown with a token at the start, each with a person and an organization.
pub const CAST: &[(&str, &Person, &str)] = &[
    ("OWNER", &ROBERT, "Chen Holdings LLC"),
    ("CO_OWNER", &JONAS, "Priya Natarajan"),
    ("TRUSTEE", &INES, "Alvarez Family Trust"),
    ("CONCIERGE_STAFF", &SAM, "Desert Sky Concierge"),
    ("ADMINISTRATOR", &DANA, "Desert Sky Concierge"),
    ("DELEGATE", &LENA, "Chen Holdings LLC"),
];

/// Loads the demo once: a database that has the last of it is left alone.
pub async fn load(gateway: &Arc<Gateway>, owner: &PgPool) -> Result<bool, Fault> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM intent i JOIN principal p ON p.id = i.submitted_by WHERE p.issuer = $1 AND p.subject = $2 AND i.text = $3)")
        .bind(ISSUER)
        .bind(ROBERT.subject)
        .bind(year::LAST)
        .fetch_one(owner)
        .await?;
    if known {
        return Ok(false);
    }
    let demo = Demo { gateway };
    let desk = demo.found(&DANA, OrganizationType::ConciergeOperator, "Desert Sky Concierge").await?;
    demo.list(&DANA, desk).await?;
    demo.maria().await?;
    demo.trust(desk).await?;
    let (llc, grant, houses) = demo.llc(desk).await?;
    demo.couple().await?;
    demo.concierge(desk, grant, houses[0]).await?;
    demo.worked((desk, grant), llc, &houses, owner).await?;
    Ok(true)
}

struct Demo<'a> {
    gateway: &'a Arc<Gateway>,
}

impl Demo<'_> {
    async fn who(&self, person: &Person) -> Result<PrincipalId, Fault> {
        let now = self.gateway.clock.now();
        let fresh = self.gateway.ids.id(now);
        let lanes = &self.gateway.lanes;
        let found = entities::actor::sign_in(lanes, ISSUER, person.subject, Some(person.email), Some(person.name), fresh, now);
        Ok(found.await.map_err(told)?.0)
    }

    /// Runs a procedure by a key that follows from it and from `what`, so that a demo that was cut short goes on where it
    /// stopped.
    async fn act<P: Procedure>(
        &self,
        person: &Person,
        organization: Option<OrganizationId>,
        what: &str,
        input: P::Input,
    ) -> Result<P::Output, Fault> {
        self.act_by::<P>(person, organization, None, what, input).await
    }

    async fn act_by<P: Procedure>(
        &self,
        person: &Person,
        organization: Option<OrganizationId>,
        grant: Option<AccessGrantId>,
        what: &str,
        input: P::Input,
    ) -> Result<P::Output, Fault> {
        let principal = self.who(person).await?;
        let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
        let caller = Caller { principal, kind: PrincipalKind::Human, organization, grant, client: None, token: None, until };
        let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{ISSUER}/demo/{}/{what}", P::NAME).as_bytes());
        let answer = run::<P>(self.gateway, &caller, key, input).await.map_err(told)?;
        answer.result.ok_or_else(|| format!("{what} is still running").into())
    }

    async fn read<P: Procedure>(
        &self,
        person: &Person,
        organization: Option<OrganizationId>,
        input: P::Input,
    ) -> Result<P::Output, Fault> {
        let principal = self.who(person).await?;
        let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
        let caller =
            Caller { principal, kind: PrincipalKind::Human, organization, grant: None, client: None, token: None, until };
        schema::read::<P>(self.gateway, &caller, input, P::ROWS).await.map_err(told)
    }

    async fn found(&self, person: &Person, r#type: OrganizationType, name: &str) -> Result<OrganizationId, Fault> {
        let input = organization::create::OrganizationCreateInput { r#type, name: name.into() };
        Ok(self.act::<organization::create::Create>(person, None, name, input).await?.id)
    }

    /// Puts a desk into the directory.
    async fn list(&self, by: &Person, desk: OrganizationId) -> Result<(), Fault> {
        let input = organization::update::OrganizationUpdateInput {
            handle: MaybeUndefined::Value("desert-sky".into()),
            about: MaybeUndefined::Value(
                "Looks after houses while their owners are away: keys, trades, associations, papers.".into(),
            ),
            area: MaybeUndefined::Value("Phoenix, Scottsdale and Tucson, Arizona".into()),
            ..organization::update::OrganizationUpdateInput::of(desk, 1)
        };
        self.act::<organization::update::Update>(by, Some(desk), "desert-sky", input).await?;
        Ok(())
    }

    async fn bring_in(&self, by: &Person, to: OrganizationId, whom: &Person, role: Role, reason: &str) -> Result<(), Fault> {
        let input = membership::invite::MembershipInviteInput {
            email: Some(whom.email.into()),
            principal_id: None,
            role,
            starts_at: None,
            ends_at: None,
            reason: Some(reason.into()),
        };
        let what = format!("{to}/{}", whom.subject);
        let invited = self.act::<membership::invite::Invite>(by, Some(to), &what, input).await?;
        let input = membership::accept::MembershipAcceptInput { id: invited.id };
        self.act::<membership::accept::Accept>(whom, None, &what, input).await?;
        Ok(())
    }

    async fn hoa(&self, by: &Person, to: OrganizationId, name: &str) -> Result<ExternalPartyId, Fault> {
        let input = external_party::create::ExternalPartyCreateInput {
            kind: ExternalPartyKind::Hoa,
            name: name.into(),
            email: Some("office@hoa.example".into()),
            phone: Some("+1 520 555 0100".into()),
            website: None,
            notes: Some("Architectural requests by letter only.".into()),
        };
        Ok(self.act::<external_party::create::Create>(by, Some(to), &format!("{to}/{name}"), input).await?.id)
    }

    async fn own(
        &self,
        by: &Person,
        to: OrganizationId,
        kind: PropertyKind,
        line1: &str,
        town: (&str, &str, &str),
        hoa_id: Option<ExternalPartyId>,
    ) -> Result<PropertyId, Fault> {
        let (locality, region, postal_code) = town;
        let input = property::create::PropertyCreateInput {
            kind,
            address: Address {
                line1: line1.into(),
                line2: None,
                locality: locality.into(),
                region: Some(region.into()),
                postal_code: Some(postal_code.into()),
                country: "US".into(),
            },
            parcel: None,
            time_zone: if region == "AZ" { "America/Phoenix" } else { "America/Denver" }.into(),
            notes: None,
            hoa_id,
        };
        Ok(self.act::<property::create::Create>(by, Some(to), &format!("{to}/{line1}"), input).await?.id)
    }

    async fn group(
        &self,
        by: &Person,
        to: OrganizationId,
        name: &str,
        (colour, target_notes): (&str, &str),
        properties: &[PropertyId],
    ) -> Result<PortfolioId, Fault> {
        let input = portfolio::create::PortfolioCreateInput {
            name: name.into(),
            colour: Some(colour.into()),
            target_notes: Some(target_notes.into()),
            position: None,
        };
        let id = self.act::<portfolio::create::Create>(by, Some(to), &format!("{to}/{name}"), input).await?.id;
        for (position, property_id) in (1..).zip(properties.iter().copied()) {
            let input = portfolio::add_property::PortfolioAddPropertyInput { id, property_id, position: Some(position) };
            let what = format!("{to}/{name}/{property_id}");
            self.act::<portfolio::add_property::AddProperty>(by, Some(to), &what, input).await?;
        }
        Ok(id)
    }

    async fn holds(
        &self,
        by: &Person,
        to: OrganizationId,
        property_id: PropertyId,
        (holder_name, capacity, share_basis_points): (&str, OwnershipCapacity, i32),
        evidence: &str,
    ) -> Result<(), Fault> {
        let input = ownership::record::OwnershipRecordInput {
            property_id,
            holder_name: holder_name.into(),
            principal_id: None,
            capacity,
            share_basis_points,
            starts_on: day("2019-04-01")?,
            ends_on: None,
            evidence: Some(evidence.into()),
        };
        self.act::<ownership::record::Record>(by, Some(to), &format!("{property_id}/{holder_name}"), input).await?;
        Ok(())
    }

    async fn engage(
        &self,
        by: &Person,
        from: OrganizationId,
        desk: OrganizationId,
        scope: AccessScope,
        reason: &str,
    ) -> Result<AccessGrantId, Fault> {
        let input = access_grant::grant::AccessGrantGrantInput {
            kind: AccessGrantKind::Engagement,
            grantee_handle: None,
            grantee_organization_id: Some(desk),
            scopes: vec![scope],
            starts_at: None,
            ends_at: None,
            reason: Some(reason.into()),
        };
        let id = self.act::<access_grant::grant::Grant>(by, Some(from), &format!("{from}/{desk}"), input).await?.id;
        let input = access_grant::accept::AccessGrantAcceptInput { id };
        self.act::<access_grant::accept::Accept>(&DANA, Some(desk), &format!("{from}/{desk}"), input).await?;
        Ok(id)
    }

    /// A year of rent, dues and tax.
    async fn year(&self, by: &Person, to: OrganizationId, property_id: PropertyId, rent: i64) -> Result<(), Fault> {
        let dues = |month: u32| (FinancialEntryKind::AssociationDues, -18_500, month, "Association's statement");
        let tax = |month: u32| (FinancialEntryKind::Tax, -rent / 2, month, "County treasurer");
        let rents = (1..=12).map(|month| (FinancialEntryKind::Rent, rent, month, "Bank statement"));
        for (kind, amount, month, source) in rents.chain([dues(1), dues(4), dues(7), dues(10), tax(4), tax(10)]) {
            let input = financial_entry::record::FinancialEntryRecordInput {
                property_id,
                kind,
                amount_minor: Long(amount),
                currency: "USD".into(),
                booked_on: day(&format!("2025-{month:02}-03"))?,
                source: source.into(),
                note: None,
            };
            let what = format!("{property_id}/{}/{month}", kind.as_str());
            self.act::<financial_entry::record::Record>(by, Some(to), &what, input).await?;
        }
        Ok(())
    }

    async fn maria(&self) -> Result<(), Fault> {
        let maria = self.found(&MARIA, OrganizationType::IndividualPropertyOwner, "Maria Alvarez").await?;
        self.own(&MARIA, maria, PropertyKind::SingleFamily, "41 Mesquite Street", ("Tucson", "AZ", "85701"), None).await?;
        Ok(())
    }

    async fn trust(&self, desk: OrganizationId) -> Result<(), Fault> {
        let trust = self.found(&MARIA, OrganizationType::TrustOrLlc, "Alvarez Family Trust").await?;
        self.bring_in(&MARIA, trust, &INES, Role::Trustee, "Second trustee by the trust deed of 2019").await?;
        let hoa = self.hoa(&MARIA, trust, "Saguaro Ridge Homeowners Association").await?;
        let tucson = ("Tucson", "AZ", "85718");
        let house = self.own(&MARIA, trust, PropertyKind::SingleFamily, "12 Saguaro Lane", tucson, Some(hoa)).await?;
        for trustee in ["Maria Alvarez, trustee", "Ines Alvarez, trustee"] {
            self.holds(&MARIA, trust, house, (trustee, OwnershipCapacity::Trustee, 5_000), "Trust deed of 2019, article 4")
                .await?;
        }
        self.engage(&MARIA, trust, desk, AccessScope::Read, "To look into the letters of the association").await?;
        self.own(&INES, trust, PropertyKind::SingleFamily, "14 Saguaro Lane", tucson, Some(hoa)).await?;
        self.kept(trust, house).await?;
        self.own(&MARIA, trust, PropertyKind::Land, "Lot 9, Cienega Creek Road", ("Vail", "AZ", "85641"), None).await?;
        Ok(())
    }

    async fn llc(&self, desk: OrganizationId) -> Result<(OrganizationId, AccessGrantId, Vec<PropertyId>), Fault> {
        let llc = self.found(&ROBERT, OrganizationType::TrustOrLlc, "Chen Holdings LLC").await?;
        let hoa = self.hoa(&ROBERT, llc, "Palo Verde Townhomes Association").await?;
        let (mut phoenix, mut santa_fe) = (Vec::new(), Vec::new());
        for number in 1..=12 {
            let line1 = format!("{} Palo Verde Place", number * 2 + 100);
            phoenix.push(self.own(&ROBERT, llc, PropertyKind::Townhouse, &line1, ("Phoenix", "AZ", "85016"), Some(hoa)).await?);
        }
        for number in 1..=6 {
            let line1 = format!("{} Canyon Road, Unit {number}", 800 + number);
            santa_fe.push(self.own(&ROBERT, llc, PropertyKind::Condominium, &line1, ("Santa Fe", "NM", "87501"), None).await?);
        }
        self.own(&ROBERT, llc, PropertyKind::MultiFamily, "300 East Roosevelt Street", ("Phoenix", "AZ", "85004"), None).await?;
        santa_fe.push(
            self.own(&ROBERT, llc, PropertyKind::Commercial, "17 Alameda Street", ("Santa Fe", "NM", "87501"), None).await?,
        );
        let to_sell = [phoenix[0], santa_fe[5]];
        self.group(&ROBERT, llc, "Phoenix rentals", ("#B4552D", "Keep; raise with the index"), &phoenix).await?;
        self.group(&ROBERT, llc, "Santa Fe", ("#2F6B4F", "One manager for all by 2028"), &santa_fe).await?;
        self.group(&ROBERT, llc, "To sell", ("#5A5A5A", "The weakest of each town"), &to_sell).await?;
        for house in &phoenix[..3] {
            let (llc_, whole) = (("Chen Holdings LLC", OwnershipCapacity::Owner, 10_000), "Special warranty deed");
            self.holds(&ROBERT, llc, *house, llc_, whole).await?;
            self.holds(&ROBERT, llc, *house, ("Robert Chen", OwnershipCapacity::Manager, 0), "Operating agreement, section 5")
                .await?;
            self.year(&ROBERT, llc, *house, 195_000).await?;
        }
        // An agent who may do two things with three houses until March.
        self.who(&LENA).await?;
        let input = delegation::grant::DelegationGrantInput {
            holder_email: Some(LENA.email.into()),
            holder_id: None,
            property_ids: Some(phoenix[..3].to_vec()),
            portfolio_ids: None,
            actions: vec![DelegatedAction::Update, DelegatedAction::RecordFinances],
            may_delegate: None,
            starts_at: None,
            ends_at: Some(next_march(self.gateway.clock.now())),
            reason: Some("Lets the three until March".into()),
            parent_id: None,
        };
        let id = self.act::<delegation::grant::Grant>(&ROBERT, Some(llc), "lena", input).await?.id;
        let input = delegation::accept::DelegationAcceptInput { id };
        self.act::<delegation::accept::Accept>(&LENA, None, "lena", input).await?;
        // The concierge looks after all houses of the LLC.
        let grant = self.engage(&ROBERT, llc, desk, AccessScope::Act, "Looks after the houses").await?;
        Ok((llc, grant, [phoenix, santa_fe].concat()))
    }

    /// Sam joins the desk, which begins with a note.
    async fn concierge(&self, desk: OrganizationId, grant: AccessGrantId, house: PropertyId) -> Result<(), Fault> {
        self.bring_in(&DANA, desk, &SAM, Role::ConciergeStaff, "Works the desk").await?;
        let input = property::update::PropertyUpdateInput {
            id: house,
            version: 1,
            kind: None,
            address: None,
            parcel: MaybeUndefined::Undefined,
            time_zone: None,
            notes: MaybeUndefined::Value("Keys are at the desk. Gate code by phone only.".into()),
            hoa_id: MaybeUndefined::Undefined,
        };
        self.act_by::<property::update::Update>(&SAM, Some(desk), Some(grant), "keys", input).await?;
        Ok(())
    }

    async fn couple(&self) -> Result<(), Fault> {
        let home = self.found(&PRIYA, OrganizationType::IndividualPropertyOwner, "Priya Natarajan").await?;
        self.bring_in(&PRIYA, home, &JONAS, Role::CoOwner, "Married; both are on the deed").await?;
        let phoenix = ("Phoenix", "AZ", "85012");
        let flat = self.own(&PRIYA, home, PropertyKind::Condominium, "1200 Central Avenue, 14C", phoenix, None).await?;
        for name in ["Priya Natarajan", "Jonas Natarajan"] {
            self.holds(&PRIYA, home, flat, (name, OwnershipCapacity::CoOwner, 5_000), "Warranty deed 2021-0713").await?;
        }
        Ok(())
    }
}

fn day(text: &str) -> Result<Date, Fault> {
    Date::parse(text).ok_or_else(|| format!("{text} is no day").into())
}

/// The first of March of the next year.
fn next_march(now: DateTime<Utc>) -> Time {
    let march = NaiveDate::from_ymd_opt(now.year() + 1, 3, 1).unwrap_or(now.date_naive());
    Time(march.and_time(NaiveTime::MIN).and_utc())
}
