//! Rules that inputs share, as garde's custom validators. A message is `CODE|what is wrong`.

use async_graphql::MaybeUndefined;
use serde_json::{Value, json};
use std::fmt::Write;

pub type Valid = Result<(), garde::Error>;

fn refuse(code: &str, message: &str) -> Valid {
    Err(garde::Error::new(format!("{code}|{message}")))
}

/// A text without control characters but line breaks and tabs.
pub const PRINTABLE: &str = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";
/// A text that has something in it, and no control characters but line breaks and tabs.
pub const FILLED: &str =
    r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";
/// An e-mail address, as `email` judges it.
pub const EMAIL: &str = r"^[^@\s\x00-\x1F\x7F-\x9F]+@[^@.\s\x00-\x1F\x7F-\x9F][^@\s\x00-\x1F\x7F-\x9F]*\.([^@\s\x00-\x1F\x7F-\x9F]*[^@.\s\x00-\x1F\x7F-\x9F])$";
/// An address that a browser may open, as `website` judges it.
pub const WEBSITE: &str = r"^https?://[^\s\x00-\x1F\x7F-\x9F]+$";

/// A public name, as `handle` judges it.
pub const HANDLE: &str = "^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$";

/// The beginning of a pattern that blank texts match as well.
pub const OR_BLANK: &str = r"^[ \t\r\n]*$|";

/// A pattern that blank texts match as well.
pub fn or_blank(pattern: impl std::fmt::Display) -> String {
    format!("{OR_BLANK}{pattern}")
}

/// A field that holds a text, whether required, optional or part of a patch.
pub trait Text {
    fn text(&self) -> Option<&str>;
}
impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}
impl Text for Option<String> {
    fn text(&self) -> Option<&str> {
        self.as_deref()
    }
}
impl Text for MaybeUndefined<String> {
    fn text(&self) -> Option<&str> {
        match self {
            MaybeUndefined::Value(text) => Some(text),
            _ => None,
        }
    }
}

/// At most `max` characters, not blank, no control characters but line breaks and tabs.
pub fn text<T: Text>(max: usize) -> impl FnOnce(&T, &()) -> Valid {
    move |value, ()| {
        let Some(text) = value.text() else { return Ok(()) };
        if text.trim().is_empty() {
            return refuse("BLANK", "must not be blank");
        }
        if text.chars().count() > max {
            return refuse("TOO_LONG", &format!("must be at most {max} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return refuse("CONTROL_CHARACTER", "must not contain control characters");
        }
        Ok(())
    }
}

/// A rule for a text that may be left empty.
pub fn unless_blank<T: Text>(rule: impl FnOnce(&T, &()) -> Valid) -> impl FnOnce(&T, &()) -> Valid {
    move |value, context| match value.text() {
        Some(text) if text.trim().is_empty() => Ok(()),
        _ => rule(value, context),
    }
}

/// An e-mail address as far as it can be judged without sending to it.
pub fn email<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    // Letters of other scripts look like these ones: an address with them is somebody else's.
    let local_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let dotted = |part: &str| !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let sound = text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len())
                && local.chars().all(local_part)
                && dotted(local)
                && domain.contains('.')
                && is_host(domain)
        });
    if sound { Ok(()) } else { refuse("INVALID_EMAIL", "must be an e-mail address") }
}

/// An address that a browser may open.
pub fn website<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound = host.is_some_and(|host| !host.is_empty())
        && text.chars().count() <= 500
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if sound { Ok(()) } else { refuse("INVALID_URL", "must begin with https:// or http://, at most 500 characters") }
}

/// Whether a text is the name of a host: labels of letters, digits and hyphens. Names of other scripts are written in Punycode.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// A country of ISO 3166-1, by its two letters.
pub fn country<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    if is_country(text) {
        Ok(())
    } else {
        refuse("INVALID_COUNTRY", "must be the two-letter ISO 3166 code of a country, in upper case")
    }
}

// The crate takes an empty text for a country that is not specified.
fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) && text.parse::<iso_country::Country>().is_ok()
}

/// A currency of ISO 4217 in which amounts have minor units. Metals, funds for tests and the like have none.
pub fn currency<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    if is_currency(text) {
        Ok(())
    } else {
        refuse("INVALID_CURRENCY", "must be the three-letter ISO 4217 code of a currency, in upper case")
    }
}

fn is_currency(text: &str) -> bool {
    iso_currency::Currency::from_code(text).is_some_and(|currency| currency.exponent().is_some())
}

/// A pattern of the countries that there are.
pub fn countries() -> String {
    one_of_codes(&[String::new()], is_country)
}

/// A pattern of the currencies that there are.
pub fn currencies() -> String {
    let first: Vec<String> = ('A'..='Z').map(String::from).collect();
    one_of_codes(&first, is_currency)
}

/// A pattern of the codes that there are, each of which begins with one of these and ends with two more letters.
fn one_of_codes(begin: &[String], is_code: fn(&str) -> bool) -> String {
    let mut pattern = String::new();
    for begin in begin.iter().flat_map(|begin| ('A'..='Z').map(move |letter| format!("{begin}{letter}"))) {
        let last: String = ('A'..='Z').filter(|last| is_code(&format!("{begin}{last}"))).collect();
        if !last.is_empty() {
            let between = if pattern.is_empty() { "" } else { "|" };
            // A String takes all that is written to it.
            let _ = write!(pattern, "{between}{begin}[{last}]");
        }
    }
    format!("^({pattern})$")
}

/// `#RRGGBB`, in upper case.
pub fn colour<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')) {
        Ok(())
    } else {
        refuse("INVALID_COLOUR", "must be a colour such as #2F6B4F")
    }
}

/// A public name, such as `desert-sky`.
pub fn handle<T: Text>(value: &T, _: &()) -> Valid {
    let Some(text) = value.text() else { return Ok(()) };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = (3..=40).contains(&text.len())
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain);
    if sound { Ok(()) } else { refuse("INVALID_HANDLE", "must be 3 to 40 small letters, digits and hyphens, such as desert-sky") }
}

/// A place in an order.
pub fn position(value: &Option<i32>, _: &()) -> Valid {
    match value {
        Some(place) if *place < 0 => refuse("TOO_SMALL", "must be at least 0"),
        Some(place) if *place > 1_000_000 => refuse("TOO_LARGE", "must be at most 1000000"),
        _ => Ok(()),
    }
}

/// A share in hundredths of a percent.
pub fn basis_points<T: Whole>(value: &T, _: &()) -> Valid {
    match value.whole() {
        Some(points) if points < 0 => refuse("TOO_SMALL", "must be at least 0"),
        Some(points) if points > 10_000 => refuse("TOO_LARGE", "must be at most 10000, which is the whole"),
        _ => Ok(()),
    }
}

/// The largest amount, either way.
pub const MOST_AMOUNT: i64 = 10_000_000_000_000;

/// An amount in minor units, which is not 0.
pub fn amount<T: Whole>(value: &T, _: &()) -> Valid {
    match value.whole() {
        Some(0) => refuse("ZERO", "must not be 0"),
        Some(amount) if amount.abs() > MOST_AMOUNT => refuse("TOO_LARGE", "must be at most 10000000000000 either way"),
        _ => Ok(()),
    }
}

/// A field that holds a whole number, whether required or optional.
pub trait Whole {
    fn whole(&self) -> Option<i64>;
}
impl Whole for i32 {
    fn whole(&self) -> Option<i64> {
        Some((*self).into())
    }
}
impl<T: Whole> Whole for MaybeUndefined<T> {
    fn whole(&self) -> Option<i64> {
        match self {
            MaybeUndefined::Value(number) => number.whole(),
            _ => None,
        }
    }
}
impl Whole for crate::Long {
    fn whole(&self) -> Option<i64> {
        Some(self.0)
    }
}
impl<T: Whole> Whole for Option<T> {
    fn whole(&self) -> Option<i64> {
        self.as_ref().and_then(Whole::whole)
    }
}

/// The number of elements that a list may hold, if the list is given.
pub fn count<T: Many>(least: usize, most: usize) -> impl FnOnce(&T, &()) -> Valid {
    move |value, ()| match value.many() {
        Some(n) if n < least => refuse("TOO_FEW", &format!("must be at least {least}")),
        Some(n) if n > most => refuse("TOO_MANY", &format!("must be at most {most}")),
        _ => Ok(()),
    }
}

/// A whole number within bounds, if it is given.
pub fn number<T: Whole>(least: i64, most: i64) -> impl FnOnce(&T, &()) -> Valid {
    move |value, ()| match value.whole() {
        Some(n) if n < least => refuse("TOO_SMALL", &format!("must be at least {least}")),
        Some(n) if n > most => refuse("TOO_LARGE", &format!("must be at most {most}")),
        _ => Ok(()),
    }
}

/// A list of at most `most` texts, if it is given, each as [`text`] takes one.
pub fn texts<T: Texts>(most: usize, max: usize) -> impl FnOnce(&T, &()) -> Valid {
    move |value, ()| {
        let Some(texts) = value.texts() else { return Ok(()) };
        if texts.len() > most {
            return refuse("TOO_MANY", &format!("must be at most {most}"));
        }
        texts.iter().try_for_each(|one| text::<String>(max)(one, &()))
    }
}

/// A field that holds a list of texts, whether required or optional.
pub trait Texts {
    fn texts(&self) -> Option<&[String]>;
}
impl Texts for Vec<String> {
    fn texts(&self) -> Option<&[String]> {
        Some(self)
    }
}
impl Texts for Option<Vec<String>> {
    fn texts(&self) -> Option<&[String]> {
        self.as_deref()
    }
}

/// A field that holds a list, whether required or optional.
pub trait Many {
    fn many(&self) -> Option<usize>;
}
impl<T> Many for Vec<T> {
    fn many(&self) -> Option<usize> {
        Some(self.len())
    }
}
impl<T> Many for Option<Vec<T>> {
    fn many(&self) -> Option<usize> {
        self.as_ref().map(Vec::len)
    }
}

/// Exactly one of these fields is given.
pub fn one_of<T>(given: &[bool], names: &'static [&'static str]) -> impl FnOnce(&T, &()) -> Valid {
    let sound = given.iter().filter(|given| **given).count() == 1;
    move |_, ()| if sound { Ok(()) } else { refuse("EXACTLY_ONE", &format!("give either {}", names.join(" or "))) }
}

/// At least one of these lists has an element.
pub fn some_of<T>(given: &[bool], names: &'static [&'static str]) -> impl FnOnce(&T, &()) -> Valid {
    let sound = given.contains(&true);
    move |_, ()| if sound { Ok(()) } else { refuse("REQUIRED", &format!("give {}", names.join(" or "))) }
}

/// One of these fields at most is given.
pub fn not_both<T>(given: &[bool], names: &'static [&'static str]) -> impl FnOnce(&T, &()) -> Valid {
    let sound = given.iter().filter(|given| **given).count() <= 1;
    move |_, ()| if sound { Ok(()) } else { refuse("EXCLUSIVE", &format!("give {}, not both", names.join(" or "))) }
}

/// `one_of`, as JSON Schema says it.
pub fn one_of_told(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "required": [name], "properties": { *name: { "type": "string" } } })).collect()
}

/// `some_of`, as JSON Schema says it.
pub fn some_of_told(names: &[&str]) -> Value {
    let empty: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!({ "maxItems": 0 }))).collect();
    json!({ "properties": empty })
}

/// `not_both`, as JSON Schema says it.
pub fn not_both_told(names: &[&str]) -> Value {
    let given: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "not": { "type": "null" } }))).collect();
    json!({ "required": names, "properties": given })
}

/// A version that a client read is at least 1.
pub fn version(value: &i32, _: &()) -> Valid {
    if *value >= 1 { Ok(()) } else { refuse("TOO_SMALL", "must be at least 1") }
}

/// The number of elements that a page may hold, from 0 (for a total alone) to 100.
pub fn page_size(value: &Option<i32>, _: &()) -> Valid {
    match value {
        Some(n) if *n < 0 => refuse("TOO_SMALL", "must be at least 0"),
        Some(n) if *n > 100 => refuse("TOO_LARGE", "must be at most 100"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn countries_and_currencies_are_those_that_there_are() {
        let country = |code: &str| super::country(&code.to_owned(), &()).is_ok();
        assert!(["US", "MX", "GB", "SS", "AX"].iter().all(|code| country(code)));
        assert!(["ZZ", "QQ", "us", "USA", "U", "", "U1"].iter().all(|code| !country(code)));
        let email = |text: &str| super::email(&text.to_owned(), &()).is_ok();
        assert!(["a@x.com", "First.Last+tag@mail.example.co.uk", "o'neil@x-y.org"].iter().all(|text| email(text)));
        let wrong = ["a@x..com", "a@x", "@x.com", "a@x.com.", "<script>@x.com", "\u{430}@x.com", "a\u{200B}@x.com", ".a@x.com"];
        assert!(wrong.iter().all(|text| !email(text)));
        let currency = |code: &str| super::currency(&code.to_owned(), &()).is_ok();
        assert!(["USD", "EUR", "JPY", "KWD", "MXN"].iter().all(|code| currency(code)));
        assert!(["ABC", "XXX", "XTS", "XAU", "usd", "US", ""].iter().all(|code| !currency(code)));
    }
}
