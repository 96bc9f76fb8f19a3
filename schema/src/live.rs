//! Positions in an event log that outlive a connection. A position names the log, the place in it, and the rights of its reader.

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
    /// The events of an organization and of all those that it looks after, in one order.
    Feed(OrganizationId),
}

impl LogId {
    /// The log that an actor follows. A concierge who looks after others follows the feed; everyone else, and anyone who works
    /// through a grant, follows the owner's own log.
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

/// A hash of all that decides what an actor may see. Actors with equal rights may see the same. An actor whose rights changed may
/// have missed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(pub u64);

/// An actor's rights to see, and the time until which they surely stay so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visibility {
    pub rights: Rights,
    pub until: Option<DateTime<Utc>>,
    /// The policies that the rights rest on.
    pub policies: String,
}

impl Rights {
    /// The rights of an actor under these policies; `delegated` identifies what was delegated to it.
    pub fn of(actor: &Actor, delegated: Option<&str>, policies: &str) -> Self {
        let mut hash = Sha256::new();
        let through = actor.through.map(|through| (through.grant.0, through.owner.0, through.acts));
        let told = (actor.organization.0, actor.kind.as_str(), &actor.organization_type, actor.policy_facts(), through);
        // The principal counts only where something was delegated to it in person.
        let own = delegated.map(|delegated| (actor.principal.0, delegated));
        hash.update(format!("{told:?} {own:?} {policies}"));
        let digest = hash.finalize();
        Rights(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// The position of a client in a log, under the rights that it had there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    pub log: LogId,
    pub position: i64,
    pub rights: Rights,
}

/// The reason why a cursor is no longer usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Older than the window that is kept.
    TooOld,
    /// The rights of the client have changed.
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

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.log {
            LogId::Own(_) => 'o',
            LogId::Feed(_) => 'f',
        };
        write!(f, "{letter}{}{:016x}{:016x}", self.log.organization().0.simple(), self.position, self.rights.0)
    }
}

impl LogPosition {
    /// Reads a cursor that a client brings back, for this log and these rights.
    pub fn parse(text: &str, field: &str, log: LogId, rights: Rights) -> Result<LogPosition> {
        let refuse = || Error::new(Code::INVALID_CURSOR).field(field, "INVALID_CURSOR", Code::INVALID_CURSOR.message());
        let place = LogPosition::read(text).ok_or_else(refuse)?;
        if place.log.organization() != log.organization() {
            return Err(refuse());
        }
        // An organization that begins or ceases to look after others has another log.
        if place.log != log || place.rights != rights {
            return Err(Expired::ScopeChanged.into());
        }
        Ok(place)
    }

    fn read(text: &str) -> Option<LogPosition> {
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
        // The next position must still be a number.
        let position = i64::try_from(number(&text[33..49])?).ok().filter(|position| *position < i64::MAX)?;
        Some(LogPosition { log, position, rights: Rights(number(&text[49..65])?) })
    }
}

/// The rights of an actor to see now, and the time until which they surely stay so.
pub async fn visibility(gateway: &Gateway, actor: &Actor) -> Result<Visibility> {
    let (delegated, until) = gateway.identity.delegated(actor).await?;
    let policies = gateway.decide.policies().await?;
    Ok(Visibility { rights: Rights::of(actor, delegated.as_deref(), &policies), until, policies })
}

/// The listener that is told after a commit.
pub trait Live: Send + Sync {
    /// Tells that these organizations' logs grew, and that this operation's state changed.
    fn committed(&self, organizations: &[OrganizationId], operation: (OrganizationId, OperationId));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_log_and_rights() {
        let home = OrganizationId(Uuid::from_u128(7));
        let place = LogPosition { log: LogId::Own(home), position: 42, rights: Rights(9) };
        let text = place.to_string();
        assert_eq!(LogPosition::parse(&text, "after", place.log, place.rights).expect("its own"), place);
        let code = |result: Result<LogPosition>| result.expect_err("another's").code();
        let other = OrganizationId(Uuid::from_u128(8));
        assert_eq!(code(LogPosition::parse(&text, "after", LogId::Own(other), place.rights)), Code::INVALID_CURSOR);
        assert_eq!(code(LogPosition::parse(&text, "after", place.log, Rights(10))), Code::CURSOR_EXPIRED);
        assert_eq!(code(LogPosition::parse(&text, "after", LogId::Feed(home), place.rights)), Code::CURSOR_EXPIRED);
        for odd in ["", "x", &text[1..], &format!("{text}0"), &text.replace('o', "ö"), &text.replacen('o', "z", 1)] {
            assert_eq!(code(LogPosition::parse(odd, "after", place.log, place.rights)), Code::INVALID_CURSOR, "{odd}");
        }
    }
}
