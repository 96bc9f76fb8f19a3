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
