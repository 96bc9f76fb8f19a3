//! The facts that the PDP is told of an actor.

use crate::pdp::Principal;
use schema::{Actor, OrganizationId, PrincipalId, PrincipalKind, Role};
use serde_json::{Map, Value};
use uuid::Uuid;

/// All facts that the PDP is told of an actor. Actors with equal facts are one question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts {
    pub principal: PrincipalId,
    pub organization: OrganizationId,
    kind: PrincipalKind,
    organization_type: Option<String>,
    roles: Vec<Role>,
    delegated: bool,
    acts: bool,
}

/// The stand-in: the principal that is asked about in the place of everyone of the same kind, and its organization.
pub const STAND_IN: PrincipalId = PrincipalId(Uuid::from_u128(0xa));
pub const STAND_IN_FOR: OrganizationId = OrganizationId(Uuid::from_u128(0xb));

impl Facts {
    pub fn of(actor: &Actor) -> Facts {
        Facts {
            principal: actor.principal,
            organization: actor.organization,
            kind: actor.kind,
            organization_type: actor.organization_type.clone(),
            roles: actor.roles.clone(),
            delegated: actor.delegated,
            acts: actor.through.is_some_and(|through| through.acts),
        }
    }

    /// The stand-in for everyone of this kind.
    pub fn stand_in(&self) -> Facts {
        Facts { principal: STAND_IN, organization: STAND_IN_FOR, ..self.clone() }
    }

    pub fn principal(&self) -> Principal {
        let roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        let mut attributes = Map::from_iter([
            ("kind".to_owned(), Value::from(self.kind.as_str())),
            ("roles".to_owned(), roles.into()),
            ("organization".to_owned(), self.organization.to_string().into()),
            ("delegated".to_owned(), self.delegated.into()),
            ("acts".to_owned(), self.acts.into()),
        ]);
        if let Some(kind) = &self.organization_type {
            attributes.insert("organizationType".into(), kind.clone().into());
        }
        Principal { id: self.principal.to_string(), roles: vec!["principal".into()], attributes }
    }
}
