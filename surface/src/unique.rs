//! JSON in which no object says a key twice: of two, one reader takes the first and another one the last.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A value without doubled keys.
struct Unique(Value);

pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    Ok(serde_json::from_slice::<Unique>(bytes)?.0)
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Unique)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a key occurs twice"));
            }
            let Unique(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_is_and_a_key_that_is_doubled_is_refused() {
        for text in [
            "null",
            "true",
            "[1,-2,3.5,18446744073709551615,\"\\u00e9\"]",
            "{\"a\":{\"b\":[{}]},\"c\":\"d\"}",
            "{\"a\":1,\"b\":{\"a\":1}}",
        ] {
            let plain: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(parse(text.as_bytes()).expect("JSON"), plain);
        }
        for text in ["{\"a\":1,\"a\":1}", "{\"a\":[{\"b\":1,\"c\":2,\"b\":3}]}", "{\"a\":1,\"\\u0061\":2}"] {
            assert!(parse(text.as_bytes()).is_err_and(|problem| problem.to_string().contains("twice")), "{text}");
        }
        assert!(parse(b"{\"a\":").is_err());
    }
}
