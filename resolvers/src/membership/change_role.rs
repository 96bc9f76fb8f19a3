use super::{CHANGE, MEMBERSHIP_ENDED, MEMBERSHIP_EXISTS, MEMBERSHIP_LAST_OWNER, ensure_manager_stays, manages_members};
use crate::{delegation, prelude::*};
use entities::{
    membership::{Membership, MembershipId},
    organization::OrganizationType,
};
use schema::{Judged, Resource, Role, Subject};

#[input]
pub struct MembershipChangeRoleInput {
    pub id: MembershipId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// The new role.
    pub role: Role,
}

/// How far a role may let others in.
fn rank(role: Role) -> u8 {
    match role {
        Role::Owner => 2,
        Role::Administrator => 1,
        _ => 0,
    }
}

/// A membership with the role that it is to have.
pub struct Changed {
    seen: Seen<Membership>,
    role: Role,
}

impl Subject for Changed {
    /// Whoever makes or unmakes an owner or an administrator is judged as if it were that one's membership, whichever of the two roles
    /// it is.
    fn judged(&self) -> Judged {
        match self.seen.judged() {
            Judged::One(resource) if rank(self.role) > rank(self.seen.row.role) => {
                let mut attributes = resource.attributes;
                attributes["role"] = self.role.as_str().into();
                Judged::One(Resource { attributes, ..resource })
            }
            judged => judged,
        }
    }

    fn beheld(&self) -> Option<Resource> {
        self.seen.beheld()
    }
}

pub struct ChangeRole;

impl Procedure for ChangeRole {
    const NAME: &'static str = "membership/v1/changeRole";
    const ABOUT: &'static str = "Gives a member another role.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const HINTS: Option<&'static schema::Hints> = Some(&crate::delegation::to_come::GIVEN);
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, MEMBERSHIP_ENDED, MEMBERSHIP_EXISTS, MEMBERSHIP_LAST_OWNER];
    type Input = MembershipChangeRoleInput;
    type Output = Membership;
    type Subject = Changed;

    fn example() -> MembershipChangeRoleInput {
        MembershipChangeRoleInput { id: MembershipId::EXAMPLE, version: 1, role: Role::Administrator }
    }

    async fn subject(cx: &Context, input: &MembershipChangeRoleInput) -> Result<Changed> {
        Ok(Changed { seen: Seen::find(cx, input.id).await?, role: input.role })
    }

    async fn handle(cx: &Context, allowed: Allowed<Changed>, input: MembershipChangeRoleInput) -> Result<Membership> {
        let MembershipChangeRoleInput { id: _, version, role } = input;
        let mut row = cx.edit(allowed.map(|changed| changed.seen), version)?;
        if !row.term().open(cx.now().into()) {
            return Err(Error::new(MEMBERSHIP_ENDED));
        }
        // An administrator is enough only where nobody owns the organization.
        let unowned = cx.actor.organization_type.as_deref().and_then(OrganizationType::parse);
        let unowned = unowned.is_some_and(|of| of.founder() == Role::Administrator);
        if !manages_members(role) || (row.role == Role::Owner && role != Role::Owner && !unowned) {
            ensure_manager_stays(cx, &row).await?;
        }
        let role = Some(role);
        patch!(row: role);
        let row = cx.save(row, "role_changed").await.taken("membership_principal_role", || Error::new(MEMBERSHIP_EXISTS))?;
        delegation::cut_from(cx, &row).await?;
        Ok(row)
    }
}
