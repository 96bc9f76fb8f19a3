//! Names that look like others, or like nothing.

use crate::harness::{Person, World, person};
use serde_json::json;

#[tokio::test]
async fn a_name_is_as_it_looks() {
    let world = World::new().await;
    let olga = person("olga");
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let make = async |name: &str| world.call(&olga, home, "portfolio/v1/create", json!({ "name": name })).await;
    make("Same").await.ok();
    for (name, code) in [
        ("sa\u{200B}me", "INVISIBLE_CHARACTER"),
        ("\u{3164}", "INVISIBLE_CHARACTER"),
        ("abc\u{202E}fdp", "INVISIBLE_CHARACTER"),
        ("two\nlines", "LINE_BREAK"),
        ("bell\u{7}", "CONTROL_CHARACTER"),
    ] {
        let refused = make(name).await;
        refused.refused("INVALID_INPUT");
        assert_eq!(
            refused.body["field_errors"][0],
            json!({ "field": "name", "code": code, "message": refused.body["field_errors"][0]["message"] })
        );
    }
    make("Ferienhäuser 家").await.ok();
    let founded = json!({ "idempotencyKey": world.key(), "type": "TRUST_OR_LLC", "name": "Chen\u{200B} Holdings" });
    world.rpc(&olga, None, "organization/v1/create", founded).await.refused("INVALID_INPUT");
    // What a token says is shown without what nobody sees.
    let token = olga.signed(|claims| claims["name"] = json!("\u{202E}Robert\u{200B} Chen\n"));
    let named = Person { token, ..olga };
    let shown = world.gql(&named, None, "{ viewer { displayName } }", json!({})).await;
    assert_eq!(shown.data()["viewer"]["displayName"], "Robert Chen");
}
