//! Identity: a token names a principal, and rows hold the principal's kind and rights.

use crate::recent::Recent;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{Jwk, JwkSet},
};
use schema::{
    AccessGrantId, Actor, Chance, Clock, Code, Denied, Drift, Error, Identity, Lanes, OrganizationId, PrincipalId, PrincipalKind,
    Result, SignedIn, Through, Tx, short_hash,
};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, RwLock};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The age at which signing keys are read again. An unknown key id has them read at once, but not more often than [`REREAD`].
const FRESH: Duration = Duration::from_secs(300);
const REREAD: Duration = Duration::from_secs(2);

/// The size of the caches of tokens, principals and actors; each may hold up to twice as many.
const KEPT: usize = 4_096;
/// The longest time that principals and actors are used as rows gave them. A mutation's transaction compares its actor with the
/// rows again.
const RECENT: Duration = Duration::from_secs(1);

pub enum KeySource {
    Fixed(JwkSet),
    File(PathBuf),
    Url(String, reqwest::Client),
}

impl KeySource {
    pub fn named(place: &str) -> Result<KeySource, crate::Fault> {
        if !place.starts_with("http://") && !place.starts_with("https://") {
            return Ok(KeySource::File(place.into()));
        }
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        Ok(KeySource::Url(place.to_owned(), client))
    }

    async fn read(&self) -> Result<JwkSet, crate::Fault> {
        match self {
            KeySource::Fixed(keys) => Ok(keys.clone()),
            KeySource::File(path) => Ok(serde_json::from_slice(&tokio::fs::read(path).await?)?),
            KeySource::Url(url, client) => Ok(client.get(url).send().await?.error_for_status()?.json().await?),
        }
    }
}

#[derive(Default)]
struct Keys {
    set: Option<Arc<JwkSet>>,
    read_at: Option<Instant>,
}

pub struct Verifier {
    /// The issuer of people's tokens.
    pub issuer: String,
    /// The issuer of tokens of agents and services, signed with the same keys.
    pub service_issuer: String,
    pub audience: String,
    pub leeway: Duration,
    /// The longest life of a token.
    pub life: Duration,
    source: KeySource,
    keys: RwLock<Keys>,
    /// The turn to read the keys; all others wait for its result.
    reading: Mutex<()>,
    verified: std::sync::Mutex<Verified>,
}

type Print = [u8; 32];
/// The claims of verified tokens, each with the keys that verified it.
type Verified = Recent<Print, (Arc<JwkSet>, Arc<Claims>)>;

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    #[serde(deserialize_with = "seconds")]
    exp: i64,
    #[serde(default, deserialize_with = "some_seconds")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "some_seconds")]
    iat: Option<i64>,
    /// The token's own id.
    jti: Option<String>,
    pub email: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    email_verified: bool,
    pub name: Option<String>,
    /// The client that the token was given to.
    azp: Option<String>,
    client_id: Option<String>,
}

/// A time of a token: seconds since 1970, and perhaps a part of one.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    whole(&serde_json::Number::deserialize(from)?)
}

fn whole<E: serde::de::Error>(number: &serde_json::Number) -> Result<i64, E> {
    let whole = number.as_i64().or_else(|| number.as_f64().filter(|seconds| seconds.abs() < 1e15).map(|seconds| seconds as i64));
    whole.ok_or_else(|| E::custom("no time"))
}

fn some_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Option::<serde_json::Number>::deserialize(from)?.as_ref().map(whole).transpose()
}

/// Whether a claim is true. Some issuers write it as a text; anything else is not.
fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let said = serde_json::Value::deserialize(from)?;
    Ok(said == true || said == "true")
}

impl Verifier {
    pub fn new(
        issuer: String,
        service_issuer: String,
        audience: String,
        leeway: Duration,
        life: Duration,
        source: KeySource,
    ) -> Self {
        let verified = std::sync::Mutex::new(Recent::new(KEPT));
        let (keys, reading) = (RwLock::default(), Mutex::default());
        Verifier { issuer, service_issuer, audience, leeway, life, source, keys, reading, verified }
    }

    /// The claims of a token that is signed by one of the keys known now, and is neither expired nor early.
    pub async fn verify(&self, token: &str, now: i64) -> Result<Arc<Claims>> {
        let print: Print = Sha256::digest(token).into();
        let keys = self.keys.read().await;
        let fresh = keys.set.clone().filter(|_| keys.read_at.is_some_and(|at| at.elapsed() < FRESH));
        drop(keys);
        let known = self.verified(|verified| verified.get(&print).cloned());
        let known = known.filter(|(by, _)| fresh.as_ref().is_some_and(|keys| Arc::ptr_eq(keys, by)));
        let claims = match known {
            Some((_, claims)) => claims,
            None => {
                let claims = Arc::new(self.verify_signature(token).await?);
                // The token is cached only if the keys are still those from before its verification.
                let now = self.keys.read().await.set.clone();
                if let (Some(before), Some(now)) = (fresh, now)
                    && Arc::ptr_eq(&before, &now)
                {
                    self.verified(|verified| verified.put(print, (now, Arc::clone(&claims))));
                }
                claims
            }
        };
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        if claims.exp.saturating_add(leeway) <= now {
            return Err(Error::new(Code::TOKEN_EXPIRED));
        }
        let life = i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX);
        let begins = claims.iat.unwrap_or(now).min(now.saturating_add(leeway));
        if claims.exp.saturating_sub(begins) > life {
            return Err(Error::new(Code::TOKEN_INVALID).message("The token is good for longer than one may be."));
        }
        if claims.nbf.is_some_and(|nbf| nbf.saturating_sub(leeway) > now) {
            return Err(Error::new(Code::TOKEN_INVALID));
        }
        Ok(claims)
    }

    fn verified<T>(&self, work: impl FnOnce(&mut Verified) -> T) -> T {
        work(&mut self.verified.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn verify_signature(&self, token: &str) -> Result<Claims> {
        let refuse = || Error::new(Code::TOKEN_INVALID);
        let header = jsonwebtoken::decode_header(token).map_err(|cause| refuse().because(cause))?;
        // What a critical header asks for is not known here.
        if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(refuse());
        }
        let jwk = self.key(header.kid.as_deref(), header.alg).await?.ok_or_else(refuse)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|cause| refuse().because(cause))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer, &self.service_issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are compared with the gateway's own clock, in `verify`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|cause| refuse().because(cause))?.claims;
        // A subject is short, free of control characters and not blank.
        if claims.sub.trim().is_empty() || !plain(&claims.sub) {
            return Err(refuse());
        }
        Ok(claims)
    }

    /// The time from which a token is no longer accepted.
    fn ends(&self, claims: &Claims) -> DateTime<Utc> {
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        DateTime::from_timestamp(claims.exp.saturating_add(leeway), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<Jwk>> {
        let find = |set: &JwkSet| match id {
            Some(id) => set.find(id).cloned(),
            // Without a key id, the set must have exactly one key.
            None => Some(&set.keys[..]).filter(|keys| keys.len() == 1).map(|keys| keys[0].clone()),
        };
        let fits = |jwk: &Jwk| jwk.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
        let keys = self.keys.read().await;
        let age = keys.read_at.map(|at| at.elapsed());
        let known = keys.set.as_deref().and_then(find);
        drop(keys);
        if let Some(known) = known.filter(|_| age.is_some_and(|age| age < FRESH)) {
            return Ok(Some(known).filter(fits));
        }
        if age.is_some_and(|age| age < REREAD) {
            return match self.keys.read().await.set {
                Some(_) => Ok(None),
                None => Err(Error::unavailable("the signing keys could not be read")),
            };
        }
        let set = self.reread(age).await?;
        Ok(find(&set).filter(fits))
    }

    async fn reread(&self, seen: Option<Duration>) -> Result<Arc<JwkSet>> {
        let _turn = self.reading.lock().await;
        {
            let keys = self.keys.read().await;
            let newer = keys.read_at.map(|at| at.elapsed()) < seen || (seen.is_none() && keys.read_at.is_some());
            match &keys.set {
                Some(set) if newer => return Ok(Arc::clone(set)),
                None if newer => return Err(Error::unavailable("the signing keys could not be read")),
                _ => {}
            }
        }
        let read = self.source.read().await;
        let mut keys = self.keys.write().await;
        match read {
            Ok(set) => {
                let set = Arc::new(set);
                *keys = Keys { set: Some(Arc::clone(&set)), read_at: Some(Instant::now()) };
                Ok(set)
            }
            // Known keys stay in use while their source is away.
            Err(problem) => match &keys.set {
                Some(set) => {
                    tracing::warn!(%problem, "the signing keys cannot be read again");
                    let set = Arc::clone(set);
                    keys.read_at = Some(Instant::now());
                    Ok(set)
                }
                None => {
                    keys.read_at = Some(Instant::now());
                    Err(Error::unavailable(problem))
                }
            },
        }
    }
}

/// Whether a text is short enough to be stored and indexed, and without control characters.
fn plain(text: &str) -> bool {
    text.len() <= 255 && !text.chars().any(char::is_control)
}

/// Principals and actors, from the rows.
pub struct Registry {
    pub verifier: Verifier,
    lanes: Lanes,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Chance>,
    drift: Arc<Drift>,
    denied: Arc<Denied>,
    kept: std::sync::Mutex<ActorCache>,
}

type ActorKey = (PrincipalId, OrganizationId, Option<AccessGrantId>);

/// Claims, and of a machine the organization for which it asks.
type Asking = (Arc<Claims>, Option<OrganizationId>);

struct ActorCache {
    /// Principals by the claims of their tokens, and machines by the organization for which they ask as well.
    principals: Recent<Asking, Of<(PrincipalId, PrincipalKind)>>,
    actors: Recent<ActorKey, Of<Actor>>,
    /// The time at which rights in an organization last changed in this process.
    changed: HashMap<OrganizationId, Instant>,
}

/// A result, with the moment at which its search began.
#[derive(Clone)]
struct Of<T> {
    found: T,
    began: Instant,
    now: DateTime<Utc>,
    /// The time at which the result may change by time alone.
    until: Option<DateTime<Utc>>,
}

impl<T> Of<T> {
    /// Whether a result is fresh by both clocks: one of them may stand still, and the other may be set.
    fn fresh(&self, now: DateTime<Utc>) -> bool {
        let age = (now - self.now).to_std();
        self.began.elapsed() < RECENT && age.is_ok_and(|age| age < RECENT) && self.until.is_none_or(|until| now < until)
    }
}

impl Registry {
    pub fn new(
        verifier: Verifier,
        lanes: Lanes,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Chance>,
        drift: Arc<Drift>,
        denied: Arc<Denied>,
    ) -> Self {
        let kept = ActorCache { principals: Recent::new(KEPT), actors: Recent::new(KEPT), changed: HashMap::new() };
        Registry { verifier, lanes, clock, ids, drift, denied, kept: std::sync::Mutex::new(kept) }
    }

    fn kept<T>(&self, work: impl FnOnce(&mut ActorCache) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn principal_of(
        &self,
        claims: &Claims,
        asking: Option<OrganizationId>,
        fresh: uuid::Uuid,
        now: DateTime<Utc>,
    ) -> Result<(PrincipalId, PrincipalKind)> {
        if claims.iss == self.verifier.service_issuer {
            // An agent or a service is known only if an administrator registered it.
            let registered = entities::actor::registered(&self.lanes, &claims.iss, &claims.sub, asking).await?;
            return registered.ok_or_else(|| Error::new(Code::TOKEN_INVALID));
        }
        // An address that nobody verified proves nothing.
        let email = claims.email.as_deref().filter(|email| claims.email_verified && plain(email));
        let name = claims.name.as_deref().and_then(schema::seen::shown).filter(|name| plain(name));
        let name = name.as_deref();
        entities::actor::sign_in(&self.lanes, &claims.iss, &claims.sub, email, name, fresh, now).await
    }
}

#[async_trait]
impl Identity for Registry {
    async fn principal(&self, bearer: Option<&str>, organization: Option<OrganizationId>) -> Result<SignedIn> {
        self.drift.ensure()?;
        let token = bearer.ok_or_else(|| Error::new(Code::AUTHENTICATION_REQUIRED))?;
        let now = self.clock.now();
        let claims = self.verifier.verify(token, now.timestamp()).await?;
        let until = self.verifier.ends(&claims);
        // The id is drawn even if it is not needed, so that the ids of a test do not depend on the cache.
        let fresh = self.ids.id(now);
        let asking = organization.filter(|_| claims.iss == self.verifier.service_issuer);
        let key = (Arc::clone(&claims), asking);
        let known = self.kept(|kept| kept.principals.get(&key).filter(|of| of.fresh(now)).cloned());
        let (client, token) = (
            claims.azp.as_ref().or(claims.client_id.as_ref()).map(|client| short_hash(client)),
            claims.jti.as_deref().map(short_hash),
        );
        let (principal, kind) = match known {
            Some(of) => of.found,
            None => {
                let began = Instant::now();
                let found = self.principal_of(&claims, asking, fresh, now).await?;
                self.kept(|kept| kept.principals.put(key, Of { found, began, now, until: None }));
                found
            }
        };
        self.denied.ensure(principal, token)?;
        Ok(SignedIn { principal, kind, client, token, until })
    }

    async fn delegated(&self, actor: &Actor) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
        entities::actor::delegated(&self.lanes, actor, self.clock.now()).await
    }

    fn service_issuer(&self) -> &str {
        &self.verifier.service_issuer
    }

    async fn actor(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor> {
        self.drift.ensure()?;
        let now = self.clock.now();
        let actor = entities::actor::find(&self.lanes, principal, organization, now).await?;
        let actor = actor.ok_or_else(|| Error::new(Code::ORGANIZATION_NOT_FOUND))?;
        let Some(grant) = grant else { return Ok(actor) };
        let through = entities::actor::through(&self.lanes, organization, grant, now).await?;
        Ok(within(actor, through.ok_or_else(|| Error::new(Code::GRANT_NOT_FOUND))?))
    }

    async fn recent(&self, principal: PrincipalId, organization: OrganizationId, grant: Option<AccessGrantId>) -> Result<Actor> {
        let (key, now) = ((principal, organization, grant), self.clock.now());
        let known = self.kept(|kept| {
            let of = kept.actors.get(&key).filter(|of| of.fresh(now))?;
            let owner = of.found.through.map(|through| through.owner);
            let changed = [Some(organization), owner].into_iter().flatten().filter_map(|id| kept.changed.get(&id)).max();
            changed.is_none_or(|changed| *changed < of.began).then(|| of.found.clone())
        });
        if let Some(actor) = known {
            return Ok(actor);
        }
        let began = Instant::now();
        let found = self.actor(principal, organization, grant).await?;
        let until = entities::actor::until(&self.lanes, &found, now).await?;
        self.kept(|kept| kept.actors.put(key, Of { found: found.clone(), began, now, until }));
        Ok(found)
    }

    fn rights_changed(&self, organizations: &[OrganizationId]) {
        let now = Instant::now();
        self.kept(|kept| {
            if kept.changed.len() >= KEPT {
                kept.changed.retain(|_, changed| changed.elapsed() < RECENT);
            }
            kept.changed.extend(organizations.iter().map(|organization| (*organization, now)));
        });
    }

    async fn through_locked(&self, tx: &Tx, actor: Actor, grant: AccessGrantId) -> Result<Option<Actor>> {
        let through = entities::actor::lock_through(tx, actor.organization, grant, self.clock.now()).await?;
        Ok(through.map(|through| within(actor, through)))
    }
}

/// The actor within another organization, where delegations in their own organization do not count.
fn within(actor: Actor, through: Through) -> Actor {
    Actor { through: Some(through), delegated: false, ..actor }
}
