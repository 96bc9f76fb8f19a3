use super::CHANGE;
use crate::prelude::*;
use entities::organization::{self, Organization, OrganizationType};
use schema::{Judged, NewEvent, Resource, Scope, Subject, quota::FOUNDED};
use uuid::Uuid;

#[input]
pub struct OrganizationCreateInput {
    pub r#type: OrganizationType,
    #[text(200)]
    pub name: String,
}

/// An organization before it is founded: its founder's own.
pub struct Founded(OrganizationCreateInput);

impl Subject for Founded {
    fn judged(&self) -> Judged {
        let attributes = serde_json::json!({ "relation": "OWN", "type": self.0.r#type.as_str() });
        Judged::One(Resource { kind: organization::KIND, id: Uuid::nil(), attributes, version: None })
    }
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "organization/v1/create";
    const ABOUT: &'static str = "Founds an organization. Its founder becomes its owner, or its administrator where nobody owns it. Needs no acting organization.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::EMAIL_UNVERIFIED];
    const SCOPE: Scope = Scope::Principal;
    type Input = OrganizationCreateInput;
    type Output = Organization;
    type Subject = Founded;

    fn example() -> OrganizationCreateInput {
        OrganizationCreateInput { r#type: OrganizationType::TrustOrLlc, name: "Alvarez Family Trust".into() }
    }

    async fn subject(_: &Context, input: &OrganizationCreateInput) -> Result<Founded> {
        Ok(Founded(input.clone()))
    }

    async fn handle(cx: &Context, allowed: Allowed<Founded>, _: OrganizationCreateInput) -> Result<Organization> {
        let Founded(OrganizationCreateInput { r#type, name }) = allowed.into_subject();
        let (proven, founded) = organization::founder_counts(cx.tx().await?, FOUNDED.most).await?;
        if !proven {
            return Err(Error::new(Code::EMAIL_UNVERIFIED));
        }
        FOUNDED.ensure(founded)?;
        let (id, membership): (OrganizationId, Uuid) = (cx.new_id(), cx.new_id());
        let created = organization::create(cx.tx().await?, id, r#type, &name, membership, cx.now()).await?;
        cx.changed(NewEvent {
            organization: id,
            kind: "organization.created".into(),
            resource_kind: organization::KIND,
            resource_id: id.0,
            version: created.version,
            rights: true,
            change: Change::default().id("founder", cx.actor.principal.0).id("membershipId", membership),
        });
        Ok(created)
    }
}
