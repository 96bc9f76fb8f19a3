//! Filters are known by their identity: equal filters are one condition, and the facts of a person in a plan tell filters apart.

use super::shipped::{actors, client, watching};
use crate::harness::cluster;
use authz::Cerbos;
use schema::{Actor, Code, Decide, OrganizationId, PrincipalId, PrincipalKind, Role, Sight};
use std::collections::HashMap;
use uuid::Uuid;

type Identity = [u8; 32];

async fn filter(cerbos: &Cerbos, actor: &Actor, kind: &'static str, sight: Sight) -> (Identity, String) {
    let filter = cerbos.filters(actor, "read", &[kind]).await.unwrap_or_else(|error| panic!("{:?}", error.cause())).remove(0);
    let condition = filter.condition(sight).unwrap_or_else(|error| panic!("{:?}", error.cause()));
    (filter.identity(), format!("{condition:?}"))
}

fn of(who: u128, organization: u128, roles: &[Role]) -> Actor {
    Actor {
        roles: roles.to_vec(),
        delegated: roles.is_empty(),
        organization: OrganizationId(Uuid::from_u128(organization)),
        ..Actor::own_scope(PrincipalId(Uuid::from_u128(who)), PrincipalKind::Human)
    }
}

#[tokio::test]
async fn one_identity_is_one_condition() {
    let url = cluster().await.cerbos_url();
    // One client shares plans between actors, the other makes a plan for each.
    let (sharing, alone) = (watching(url).await, client(url));
    let mut written: HashMap<(Identity, bool), String> = HashMap::new();
    for actor in actors(Uuid::from_u128(7)) {
        for kind in entities::NAMES {
            for sight in [Sight::Own, Sight::Across] {
                let (identity, text) = filter(&sharing, &actor, kind, sight).await;
                assert_eq!(
                    *written.entry((identity, sight == Sight::Own)).or_insert_with(|| text.clone()),
                    text,
                    "{kind} as {actor:?}"
                );
                if actor.roles.len() < 2 {
                    // The PDP does not always give the parts of a plan in the same order.
                    let (identity, text) = filter(&alone, &actor, kind, sight).await;
                    assert_eq!(
                        *written.entry((identity, sight == Sight::Own)).or_insert_with(|| text.clone()),
                        text,
                        "{kind} as {actor:?}"
                    );
                }
            }
        }
    }
    assert!(written.len() > 100, "{}", written.len());
}

#[tokio::test]
async fn people_have_one_identity_where_no_policy_tells_them_apart() {
    let cerbos = watching(cluster().await.cerbos_url()).await;
    let identity = async |actor: &Actor, kind| filter(&cerbos, actor, kind, Sight::Own).await.0;
    let (one, two) = (of(1, 10, &[Role::Owner]), of(2, 10, &[Role::Owner]));
    let property = identity(&one, "property").await;
    assert_eq!(property, identity(&two, "property").await);
    assert_ne!(property, identity(&one, "portfolio").await);
    assert_ne!(property, identity(&of(1, 11, &[Role::Owner]), "property").await);
    // A trustee sees the membership and the operations that are their own.
    let (one, two) = (of(1, 10, &[Role::Trustee]), of(2, 10, &[Role::Trustee]));
    assert_ne!(identity(&one, "membership").await, identity(&two, "membership").await);
    // A delegate sees the properties that were delegated to them.
    let (one, two) = (of(1, 10, &[]), of(2, 10, &[]));
    assert_ne!(identity(&one, "property").await, identity(&two, "property").await);
    assert_eq!(identity(&one, "property").await, identity(&one.clone(), "property").await);
}

#[tokio::test]
async fn lists_are_filtered_by_reading_alone() {
    let cerbos = client(cluster().await.cerbos_url());
    let refused = cerbos.query_filter(&of(1, 10, &[Role::Owner]), "update", "property", Sight::Own).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(Code::INTERNAL));
}
