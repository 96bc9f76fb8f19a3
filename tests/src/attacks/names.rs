//! Names that look like others, or like nothing.

use crate::harness::{Person, World, person};
use serde_json::json;

#[tokio::test]
async fn a_name_of_a_token_is_as_it_looks() {
    let world = World::new().await;
    let olga = person("olga");
    // What a token says is shown without what nobody sees.
    let token = olga.signed(|claims| claims["name"] = json!("\u{202E}Robert\u{200B} Chen\n"));
    let named = Person { token, ..olga };
    let shown = world.gql(&named, None, "{ viewer { displayName } }", json!({})).await;
    assert_eq!(shown.data()["viewer"]["displayName"], "Robert Chen");
}

/// Texts of inputs are kept as they look, and what must be unique must look different.
#[tokio::test]
async fn texts_are_kept_as_they_look_and_names_differ_by_it() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let mut house = World::property("17\u{200B} Calle A\u{301}lvarez\u{202E}");
    house["notes"] = json!("two\nlines\u{FEFF}");
    house["idempotencyKey"] = world.key().to_string().into();
    let made = world.rpc(&olga, Some(home), "property/v1/create", house.clone()).await;
    assert_eq!((&made.ok()["address"]["line1"], &made.ok()["notes"]), (&json!("17 Calle Álvarez"), &json!("two\nlines")));
    // The same request again is the same, whichever way it writes the letters.
    house["address"]["line1"] = json!("17 Calle Álvarez");
    assert_eq!(world.rpc(&olga, Some(home), "property/v1/create", house).await.body["replayed"], true);
    let rename = json!({ "id": home, "version": 1, "name": "Chen\u{2066} Holdings" });
    assert_eq!(world.call(&olga, home, "organization/v1/update", rename).await.ok()["name"], "Chen Holdings");
    let named = async |name: &str| world.call(&olga, home, "portfolio/v1/create", json!({ "name": name })).await;
    named("Same").await.ok();
    // Invisible letters, other widths, and letters of other scripts that look like these.
    for alike in ["sa\u{200B}me", "ＳＡＭＥ", "s\u{430}me", "S\u{430}m\u{435}", "\u{455}ame"] {
        named(alike).await.refused("PORTFOLIO_NAME_TAKEN");
    }
    let nothing = named("\u{3164}\u{200B}").await;
    assert_eq!(nothing.body["field_errors"][0]["field"], "name", "{:#}", nothing.body);
    named("Samé").await.ok();
}
