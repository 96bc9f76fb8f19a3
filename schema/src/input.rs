//! The parsing of inputs. Both surfaces use the same code, so they answer the same errors.

use crate::{Code, Error, FieldCode, FieldError, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub fn parse<T: DeserializeOwned + Serialize>(mut given: Value) -> Result<T> {
    whole(&mut given);
    let parsed: T = read(&given).map_err(|(field, code, message)| Error::new(Code::INVALID_INPUT).field(field, code, message))?;
    let taken = serde_json::to_value(&parsed)?;
    // Some parsers take a list for an object, or an object for a word. The contract does not.
    match bent(&given, &taken, "") {
        Some(field) => Err(Error::new(Code::INVALID_INPUT).field(field, "WRONG_TYPE", WRONG_TYPE)),
        None => Ok(without_blanks(&taken).unwrap_or(parsed)),
    }
}

/// Writes a number without a fraction, such as 2.0, as the whole number that JSON Schema takes it for.
fn whole(value: &mut Value) {
    const MOST: f64 = crate::Long::MOST as f64;
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            if let Some(whole) = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= MOST) {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

/// The input with its blank texts absent, as forms send what was left empty. It is looked through as it was read, so that only
/// texts are blank: an id, a time or an amount was refused. None: no text is.
fn without_blanks<T: DeserializeOwned>(taken: &Value) -> Option<T> {
    let mut blank = Vec::new();
    blanks(taken, "", &mut blank);
    if blank.is_empty() || blank.len() > MOST_BLANK {
        return None;
    }
    let mut cleared = taken.clone();
    for path in &blank {
        put(&mut cleared, path, Value::Null);
    }
    loop {
        let field = match read(&cleared) {
            Ok(parsed) => return Some(parsed),
            Err((field, _, _)) => field,
        };
        // A blank text that may not be absent stays the text that it is: its own rule names it, beside all other mistakes.
        let at = blank.iter().position(|path| *path == field)?;
        put(&mut cleared, &blank.swap_remove(at), Value::String(String::new()));
    }
}

/// Reads an input, or says which field is wrong.
fn read<T: DeserializeOwned>(given: &Value) -> Result<T, (String, &'static str, String)> {
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        let said = error.inner().to_string();
        let (code, name, message) = classify(&said);
        let field = match (path.as_str(), name) {
            (".", Some(name)) => name.to_owned(),
            (".", None) => String::new(),
            // For an unknown field the path is that of the field itself.
            (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
            (path, _) => path.to_owned(),
        };
        (dotted(&field), code, message)
    })
}

/// The most texts left empty that are taken for absent. Each may take another reading of the input.
const MOST_BLANK: usize = 32;

/// The paths of blank texts, up to one too many.
fn blanks(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        _ if found.len() > MOST_BLANK => {}
        Value::String(text) if text.trim().is_empty() => found.push(path.to_owned()),
        Value::Array(all) => all.iter().enumerate().for_each(|(at, each)| blanks(each, &below(path, &at.to_string()), found)),
        Value::Object(fields) => fields.iter().for_each(|(name, each)| blanks(each, &below(path, name), found)),
        _ => {}
    }
}

fn put(value: &mut Value, path: &str, new: Value) {
    let place = path.split('.').try_fold(value, |value, name| match value {
        Value::Array(all) => all.get_mut(name.parse::<usize>().ok()?),
        other => other.get_mut(name),
    });
    if let Some(place) = place {
        *place = new;
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

const NULL: &str = "must not be null";
pub(crate) const WRONG_TYPE: &str = "is not of the right type or form";

/// The path of the field whose given JSON has another shape than the parsed input.
fn bent(given: &Value, taken: &Value, path: &str) -> Option<String> {
    match (given, taken) {
        (_, Value::Null) => None,
        (Value::Object(given), Value::Object(taken)) => {
            taken.iter().find_map(|(name, taken)| bent(given.get(name)?, taken, &below(path, name)))
        }
        (Value::Array(given), Value::Array(taken)) => {
            given.iter().zip(taken).enumerate().find_map(|(at, (given, taken))| bent(given, taken, &below(path, &at.to_string())))
        }
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => None,
        _ => Some(path.to_owned()),
    }
}

/// `items[2].name` → `items.2.name`.
fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "").trim_start_matches('.').to_owned()
}

/// The code, field and message for a parser's error. The parser's own words name types that are no caller's business.
fn classify(said: &str) -> (&'static str, Option<&str>, String) {
    let quoted = || said.split('`').nth(1);
    if said.starts_with("unknown field") {
        ("UNKNOWN_FIELD", quoted(), "there is no such field".into())
    } else if said.starts_with("missing field") {
        ("REQUIRED", quoted(), "is required".into())
    } else if said.starts_with("invalid type: null") {
        ("REQUIRED", None, NULL.into())
    } else if said.starts_with("unknown variant") {
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        ("UNKNOWN_VALUE", None, format!("must be one of {}", known.join(", ")))
    } else {
        ("WRONG_TYPE", None, WRONG_TYPE.into())
    }
}

/// Reads a patch's field that cannot be cleared: absent leaves it, null is refused.
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
            FieldError {
                field: camel_case(&dotted(&path.to_string())),
                code: FieldCode::named(code),
                message: message.to_owned(),
            }
        })
        .collect();
    Err(Error::new(Code::INVALID_INPUT).fields(fields))
}

/// Validates a part of an input, with the part's name before each field.
pub fn validate_at<T: garde::Validate<Context = ()>>(name: &str, input: Option<&T>) -> Result<()> {
    let Some(Err(error)) = input.map(validate) else { return Ok(()) };
    let named = error.field_errors().iter().map(|e| FieldError { field: format!("{name}.{}", e.field), ..e.clone() }).collect();
    Err(Error::new(Code::INVALID_INPUT).fields(named))
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

    #[derive(Debug, serde::Deserialize, serde::Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Outer {
        inner_part: Inner,
    }
    #[derive(Debug, serde::Deserialize, serde::Serialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Inner {
        post_code: String,
    }

    fn field(value: Value) -> (String, String) {
        let error = parse::<Outer>(value).expect_err("refused");
        (error.field_errors()[0].field.clone(), error.field_errors()[0].code.as_str().to_owned())
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        use serde_json::json;
        assert_eq!(field(json!({})), ("innerPart".into(), "REQUIRED".into()));
        assert_eq!(field(json!({"innerPart": {}})), ("innerPart.postCode".into(), "REQUIRED".into()));
        assert_eq!(field(json!({"innerPart": {"postCode": 1}})), ("innerPart.postCode".into(), "WRONG_TYPE".into()));
        assert_eq!(field(json!({"innerPart": {"postCode": "1", "x": 1}})), ("innerPart.x".into(), "UNKNOWN_FIELD".into()));
        assert_eq!(field(json!({"innerPart": ["1"]})), ("innerPart".into(), "WRONG_TYPE".into()));
        assert_eq!(field(json!({"innerPart": null})), ("innerPart".into(), "REQUIRED".into()));
        assert!(parse::<Outer>(json!({"innerPart": {"postCode": " "}})).is_ok_and(|outer| outer.inner_part.post_code.is_empty()));
        assert_eq!(field(json!({"innerPart": {"postCode": null}})), ("innerPart.postCode".into(), "REQUIRED".into()));
        assert_eq!(camel_case("address.postal_code"), "address.postalCode");
    }
}
