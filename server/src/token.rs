//! Development tokens: the binary is its own issuer in embedded mode.

use crate::{
    Fault,
    config::Config,
    demo::{CAST, Person},
    secrets::{Secrets, claims},
};
use schema::Role;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

pub struct Wanted {
    pub role: Option<Role>,
    /// Name or id.
    pub organization: Option<String>,
    pub subject: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub lifetime: i64,
}

pub struct Issued {
    pub token: String,
    pub organization: Option<(Uuid, String)>,
    pub subject: String,
}

/// A token for the wanted subject, or for someone who has the wanted role.
pub async fn issue(
    config: &Config,
    secrets: &Secrets,
    owner: Option<&PgPool>,
    wanted: Wanted,
    now: i64,
) -> Result<Issued, Fault> {
    if let Some(subject) = wanted.subject {
        let claims = claims(&config.audience, &subject, wanted.email.as_deref(), wanted.name.as_deref(), now, wanted.lifetime);
        return Ok(Issued { token: secrets.sign(&claims)?, organization: None, subject });
    }
    let role = wanted.role.unwrap_or(Role::Owner);
    let owner = owner.ok_or("a token by role needs the gateway's database: start `hestami serve` first")?;
    type Found = (String, Option<String>, Option<String>, Uuid, String);
    let found: Option<Found> = sqlx::query_as(
        "SELECT p.subject, p.email, p.display_name, o.id, o.name
         FROM membership m JOIN principal p ON p.id = m.principal_id JOIN organization o ON o.id = m.organization_id
         WHERE m.state = 'ACTIVE' AND m.role = $1 AND p.issuer = $2 AND ($3::text IS NULL OR o.id::text = $3 OR o.name = $3)
           AND (m.ends_at IS NULL OR m.ends_at > now())
         ORDER BY o.name = ANY ($4) DESC, o.created_at, m.created_at LIMIT 1",
    )
    .bind(role.as_str())
    .bind(crate::secrets::ISSUER)
    .bind(&wanted.organization)
    .bind(CAST.iter().filter(|(cast, ..)| *cast == role.as_str()).map(|(_, _, name)| *name).collect::<Vec<_>>())
    .fetch_optional(owner)
    .await?;
    let Some((subject, email, name, id, organization)) = found else {
        let place = wanted.organization.map(|name| format!(" in {name:?}")).unwrap_or_default();
        return Err(format!("nobody is {}{place}", role.as_str()).into());
    };
    let claims = claims(&config.audience, &subject, email.as_deref(), name.as_deref(), now, wanted.lifetime);
    Ok(Issued { token: secrets.sign(&claims)?, organization: Some((id, organization)), subject })
}

pub fn for_person(config: &Config, secrets: &Secrets, person: &Person, now: i64) -> Result<String, Fault> {
    secrets.sign(&claims(&config.audience, person.subject, Some(person.email), Some(person.name), now, 12 * 3_600))
}

/// A pool for the owner of the tables: a tool of whoever holds the machine.
pub async fn owner_pool(url: &str) -> Result<PgPool, Fault> {
    Ok(PgPoolOptions::new().max_connections(1).connect(url).await?)
}
