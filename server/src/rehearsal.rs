//! Plans asked for at the start, of every kind and for a sample of people, so that a list that the policies cannot filter is named
//! then and not at a request.

use crate::{Fault, config::Config, secrets::hex};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use std::time::UNIX_EPOCH;

/// Rehearses policies unless the same binary has done so with the same policies: it takes as long as there are kinds, and
/// replicas start often.
pub async fn once(cerbos: &authz::Cerbos, config: &Config, database_url: &str) -> Result<(), Fault> {
    let Some(id) = id(cerbos, config).await? else { return all(cerbos).await.map(drop) };
    let mut connection = PgConnection::connect(database_url).await?;
    let passed: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM rehearsal WHERE id = $1)").bind(&id).fetch_one(&mut connection).await?;
    // Policies that changed meanwhile were not rehearsed as a whole.
    if !passed && all(cerbos).await? && self::id(cerbos, config).await?.as_ref() == Some(&id) {
        sqlx::query("INSERT INTO rehearsal (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(&id).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Rehearses policies. False: the decision point does not answer.
pub async fn all(cerbos: &authz::Cerbos) -> Result<bool, Fault> {
    match cerbos.rehearse(entities::NAMES).await {
        Ok(refused) if refused.is_empty() => Ok(true),
        Ok(refused) => Err(format!("the policies cannot filter lists: {}", refused.join("; ")).into()),
        Err(error) => {
            // Reads and writes need the decision point; /readyz says that it is away.
            tracing::warn!(cause = ?error.cause(), "the policy decision point does not answer");
            Ok(false)
        }
    }
}

/// The policies and this binary, in a word. The embedded Cerbos reads our own folder, whose text is surer than the sentinel's
/// statement about it. None: nobody says which policies there are.
async fn id(cerbos: &authz::Cerbos, config: &Config) -> Result<Option<String>, Fault> {
    let policies = match config.cerbos_url {
        Some(_) => cerbos.sentinel().await.ok().map(|bundle| bundle.hash),
        None => Some(authz::Bundle::of(&config.policies)?),
    };
    let (Some(policies), Ok(cerbos)) = (policies, cerbos.version().await) else { return Ok(None) };
    let binary = std::env::current_exe()?.metadata()?;
    let built = binary.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{policies} {cerbos} {} {}", binary.len(), built.as_nanos());
    Ok(Some(hex(&Sha256::digest(id))))
}
