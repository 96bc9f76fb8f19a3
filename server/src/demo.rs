//! A small believable world, made through the same procedures as everything else.

use crate::{Fault, app::told, secrets::ISSUER};
use entities::{
    external_party::{ExternalPartyId, ExternalPartyKind},
    organization::OrganizationType,
    property::{Address, PropertyId, PropertyKind},
};
use resolvers::{external_party, membership, organization, portfolio, property};
use schema::{Caller, Gateway, OrganizationId, PrincipalId, PrincipalKind, Procedure, Role, run};
use sqlx::PgPool;
use std::sync::Arc;
use uuid::Uuid;

/// Someone of the demo. The subject is what their token says.
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

/// Who is shown at the start with a token, one a role.
pub const CAST: &[(&str, &Person, &str)] = &[
    ("OWNER", &ROBERT, "Chen Holdings LLC"),
    ("CO_OWNER", &JONAS, "Priya Natarajan"),
    ("TRUSTEE", &INES, "Alvarez Family Trust"),
    ("CONCIERGE_STAFF", &SAM, "Desert Sky Concierge"),
    ("ADMINISTRATOR", &DANA, "Desert Sky Concierge"),
];

/// Loads it once: a database that knows the demo's people is left alone.
pub async fn load(gateway: &Arc<Gateway>, owner: &PgPool) -> Result<bool, Fault> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM organization o JOIN membership m ON m.organization_id = o.id JOIN principal p ON p.id = m.principal_id WHERE p.issuer = $1 AND p.subject = $2)")
        .bind(ISSUER)
        .bind(SAM.subject)
        .fetch_one(owner)
        .await?;
    if known {
        return Ok(false);
    }
    let demo = Demo { gateway };
    demo.maria().await?;
    demo.trust().await?;
    demo.llc().await?;
    demo.couple().await?;
    demo.concierge().await?;
    Ok(true)
}

struct Demo<'a> {
    gateway: &'a Arc<Gateway>,
}

impl Demo<'_> {
    async fn who(&self, person: &Person) -> Result<PrincipalId, Fault> {
        let now = self.gateway.clock.now();
        let fresh = self.gateway.ids.id(now);
        let pool = &self.gateway.pool;
        let found = entities::actor::sign_in(pool, ISSUER, person.subject, Some(person.email), Some(person.name), fresh, now);
        Ok(found.await.map_err(told)?.0)
    }

    /// The key follows from what is done, so a demo that was cut short goes on where it stopped.
    async fn act<P: Procedure>(
        &self,
        person: &Person,
        organization: Option<OrganizationId>,
        what: &str,
        input: P::Input,
    ) -> Result<P::Output, Fault> {
        let principal = self.who(person).await?;
        let caller = Caller { principal, kind: PrincipalKind::Human, organization, grant: None };
        let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{ISSUER}/demo/{}/{what}", P::NAME).as_bytes());
        let answer = run::<P>(self.gateway, &caller, key, input).await.map_err(told)?;
        answer.result.ok_or_else(|| format!("{what} is still running").into())
    }

    async fn found(&self, person: &Person, r#type: OrganizationType, name: &str) -> Result<OrganizationId, Fault> {
        let input = organization::create::OrganizationCreateInput { r#type, name: name.into() };
        Ok(self.act::<organization::create::Create>(person, None, name, input).await?.id)
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
    ) -> Result<(), Fault> {
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
        Ok(())
    }

    async fn maria(&self) -> Result<(), Fault> {
        let maria = self.found(&MARIA, OrganizationType::IndividualPropertyOwner, "Maria Alvarez").await?;
        self.own(&MARIA, maria, PropertyKind::SingleFamily, "41 Mesquite Street", ("Tucson", "AZ", "85701"), None).await?;
        Ok(())
    }

    async fn trust(&self) -> Result<(), Fault> {
        let trust = self.found(&MARIA, OrganizationType::TrustOrLlc, "Alvarez Family Trust").await?;
        self.bring_in(&MARIA, trust, &INES, Role::Trustee, "Second trustee by the trust deed of 2019").await?;
        let hoa = self.hoa(&MARIA, trust, "Saguaro Ridge Homeowners Association").await?;
        let tucson = ("Tucson", "AZ", "85718");
        self.own(&MARIA, trust, PropertyKind::SingleFamily, "12 Saguaro Lane", tucson, Some(hoa)).await?;
        self.own(&INES, trust, PropertyKind::SingleFamily, "14 Saguaro Lane", tucson, Some(hoa)).await?;
        self.own(&MARIA, trust, PropertyKind::Land, "Lot 9, Cienega Creek Road", ("Vail", "AZ", "85641"), None).await?;
        Ok(())
    }

    async fn llc(&self) -> Result<(), Fault> {
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
        self.group(&ROBERT, llc, "To sell", ("#5A5A5A", "The weakest of each town"), &to_sell).await
    }

    async fn couple(&self) -> Result<(), Fault> {
        let home = self.found(&PRIYA, OrganizationType::IndividualPropertyOwner, "Priya Natarajan").await?;
        self.bring_in(&PRIYA, home, &JONAS, Role::CoOwner, "Married; both are on the deed").await?;
        self.own(&PRIYA, home, PropertyKind::Condominium, "1200 Central Avenue, 14C", ("Phoenix", "AZ", "85012"), None).await?;
        Ok(())
    }

    async fn concierge(&self) -> Result<(), Fault> {
        let desk = self.found(&DANA, OrganizationType::ConciergeOperator, "Desert Sky Concierge").await?;
        self.bring_in(&DANA, desk, &SAM, Role::ConciergeStaff, "Works the desk").await
    }
}
