//! Places in the event log that outlive a connection: which log, how far, and under which rights.

use crate::{Actor, Code, Error, Gateway, OperationId, OrganizationId, Result};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// A log that someone follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// An organization's own events.
    Own(OrganizationId),
    /// All that an organization looks after, in one order.
    Feed(OrganizationId),
}

impl LogId {
    /// Who looks after others gets all of it in one order; everyone else, and who works by a grant, the owner's own.
    pub fn of(actor: &Actor) -> Self {
        match (&actor.organization_type, actor.through) {
            (Some(kind), None) if kind == "CONCIERGE_OPERATOR" && actor.looks_after() => LogId::Feed(actor.organization),
            _ => LogId::Own(actor.owner()),
        }
    }

    pub fn organization(self) -> OrganizationId {
        match self {
            LogId::Own(organization) | LogId::Feed(organization) => organization,
        }
    }
}

/// What someone may see, told apart from every other such thing: two with the same may see the same, and
/// whoever's is another now than it was can have missed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(pub u64);

/// What decides what an actor sees, and until when it surely stays so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub rights: Rights,
    pub until: Option<DateTime<Utc>>,
    /// The policies that it rests on.
    pub policies: String,
}

impl Rights {
    /// Of an actor under these policies; `delegated` says what was delegated to it.
    pub fn of(actor: &Actor, delegated: Option<&str>, policies: &str) -> Self {
        let mut hash = Sha256::new();
        let through = actor.through.map(|through| (through.grant.0, through.owner.0, through.acts));
        let told = (actor.organization.0, actor.kind.as_str(), &actor.organization_type, actor.standing(), through);
        // Whose it is counts only where it is somebody's own.
        let own = delegated.map(|delegated| (actor.principal.0, delegated));
        hash.update(format!("{told:?} {own:?} {policies}"));
        let digest = hash.finalize();
        Rights(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub log: LogId,
    pub position: i64,
    pub rights: Rights,
}

/// Why a cursor can't be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Older than the window that is kept.
    TooOld,
    /// What the client may see is another now.
    ScopeChanged,
    /// The log does not reach so far: it was restored from an older copy.
    Unknown,
}

impl Expired {
    pub fn as_str(self) -> &'static str {
        match self {
            Expired::TooOld => "TOO_OLD",
            Expired::ScopeChanged => "SCOPE_CHANGED",
            Expired::Unknown => "UNKNOWN_POSITION",
        }
    }
}

impl From<Expired> for Error {
    fn from(reason: Expired) -> Self {
        Error::new(Code::CURSOR_EXPIRED).details(serde_json::json!({ "reason": reason.as_str() }))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.log {
            LogId::Own(_) => 'o',
            LogId::Feed(_) => 'f',
        };
        write!(f, "{letter}{}{:016x}{:016x}", self.log.organization().0.simple(), self.position, self.rights.0)
    }
}

impl Place {
    /// A cursor as a client brings it back, for this log and these rights.
    pub fn parse(text: &str, field: &str, log: LogId, rights: Rights) -> Result<Place> {
        let refuse = || Error::new(Code::INVALID_CURSOR).field(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message());
        let place = Place::read(text).ok_or_else(refuse)?;
        if place.log.organization() != log.organization() {
            return Err(refuse());
        }
        // An organization that became, or is no longer, one that looks after others has another log.
        if place.log != log || place.rights != rights {
            return Err(Expired::ScopeChanged.into());
        }
        Ok(place)
    }

    fn read(text: &str) -> Option<Place> {
        if text.len() != 65 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let organization = OrganizationId(Uuid::try_parse(&text[1..33]).ok()?);
        let log = match &text[..1] {
            "o" => LogId::Own(organization),
            "f" => LogId::Feed(organization),
            _ => return None,
        };
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        // One more must still be a number.
        let position = i64::try_from(number(&text[33..49])?).ok().filter(|position| *position < i64::MAX)?;
        Some(Place { log, position, rights: Rights(number(&text[49..65])?) })
    }
}

/// What an actor may see now, and until when it surely stays so.
pub async fn standing(gateway: &Gateway, actor: &Actor) -> Result<Standing> {
    let (delegated, until) = gateway.identity.delegated(actor).await?;
    let policies = gateway.decide.policies().await?;
    Ok(Standing { rights: Rights::of(actor, delegated.as_deref(), &policies), until, policies })
}

/// Who is told after a commit.
pub trait Live: Send + Sync {
    /// These organizations' logs grew, and this operation stands elsewhere than before.
    fn committed(&self, organizations: &[OrganizationId], operation: (OrganizationId, OperationId));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_log_and_rights() {
        let home = OrganizationId(Uuid::from_u128(7));
        let place = Place { log: LogId::Own(home), position: 42, rights: Rights(9) };
        let text = place.to_string();
        assert_eq!(Place::parse(&text, "after", place.log, place.rights).expect("its own"), place);
        let code = |result: Result<Place>| result.expect_err("another's").code();
        let other = OrganizationId(Uuid::from_u128(8));
        assert_eq!(code(Place::parse(&text, "after", LogId::Own(other), place.rights)), Code::INVALID_CURSOR);
        assert_eq!(code(Place::parse(&text, "after", place.log, Rights(10))), Code::CURSOR_EXPIRED);
        assert_eq!(code(Place::parse(&text, "after", LogId::Feed(home), place.rights)), Code::CURSOR_EXPIRED);
        for odd in ["", "x", &text[1..], &format!("{text}0"), &text.replace('o', "ö"), &text.replacen('o', "z", 1)] {
            assert_eq!(code(Place::parse(odd, "after", place.log, place.rights)), Code::INVALID_CURSOR, "{odd}");
        }
    }
}
