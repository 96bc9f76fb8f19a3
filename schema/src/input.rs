//! Both surfaces parse the same input by the same code, so they answer the same errors.

use crate::{Code, Error, FieldError, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let said = error.inner().to_string();
        let (code, name) = classify(&said);
        let field = match (path.as_str(), name) {
            (".", Some(name)) => name.to_owned(),
            (".", None) => String::new(),
            (path, Some(name)) => {
                // For an unknown field serde reports the path of the field itself.
                if path == name || path.ends_with(&format!(".{name}")) { path.to_owned() } else { format!("{path}.{name}") }
            }
            (path, None) => path.to_owned(),
        };
        Error::new(Code::InvalidInput).field(dotted(&field), code, said)
    })
}

/// `items[2].name` → `items.2.name`.
fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "").trim_start_matches('.').to_owned()
}

fn classify(said: &str) -> (&'static str, Option<&str>) {
    let quoted = || said.split('`').nth(1);
    if said.starts_with("unknown field") {
        ("UNKNOWN_FIELD", quoted())
    } else if said.starts_with("missing field") {
        ("REQUIRED", quoted())
    } else if said.starts_with("unknown variant") {
        ("UNKNOWN_VALUE", None)
    } else {
        ("WRONG_TYPE", None)
    }
}

/// For a patch's field that cannot be cleared: absent leaves it, null is refused.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Runs the input's own rules and names the fields as the caller wrote them.
pub fn validate<T: garde::Validate<Context = ()>>(input: &T) -> Result<()> {
    let Err(report) = input.validate() else { return Ok(()) };
    let fields = report
        .iter()
        .map(|(path, error)| {
            let said = error.message();
            let (code, message) = said.split_once('|').unwrap_or(("INVALID", said));
            FieldError { field: camel_case(&dotted(&path.to_string())), code: code.to_owned(), message: message.to_owned() }
        })
        .collect();
    Err(Error::new(Code::InvalidInput).fields(fields))
}

/// `address.postal_code` → `address.postalCode`.
pub fn camel_case(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Outer {
        inner_part: Inner,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        post_code: String,
    }

    fn field(value: Value) -> (String, String) {
        let error = parse::<Outer>(value).expect_err("refused");
        (error.field_errors()[0].field.clone(), error.field_errors()[0].code.clone())
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        use serde_json::json;
        assert_eq!(field(json!({})), ("innerPart".into(), "REQUIRED".into()));
        assert_eq!(field(json!({"innerPart": {}})), ("innerPart.postCode".into(), "REQUIRED".into()));
        assert_eq!(field(json!({"innerPart": {"postCode": 1}})), ("innerPart.postCode".into(), "WRONG_TYPE".into()));
        assert_eq!(field(json!({"innerPart": {"postCode": "1", "x": 1}})), ("innerPart.x".into(), "UNKNOWN_FIELD".into()));
        assert_eq!(camel_case("address.postal_code"), "address.postalCode");
    }
}
