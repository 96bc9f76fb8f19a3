//! The codes of single fields: what is wrong with a value.

use crate::text_enum;

macro_rules! field_codes {
    ($($name:ident = $text:literal, $about:literal;)*) => {
        text_enum!(
            /// The mistake in a field.
            FieldCode { $(#[doc = $about] $name = $text,)* }
        );

        impl FieldCode {
            /// Every code with its meaning.
            pub const ABOUT: &'static [(FieldCode, &'static str)] = &[$((FieldCode::$name, $about),)*];
        }
    };
}

field_codes! {
    Required = "REQUIRED", "The field is needed.";
    Blank = "BLANK", "A text has nothing in it.";
    TooLong = "TOO_LONG", "A text is longer than it may be.";
    ControlCharacter = "CONTROL_CHARACTER", "A text holds control characters.";
    InvisibleCharacter = "INVISIBLE_CHARACTER", "A text holds characters that nobody sees, or that turn others round.";
    LineBreak = "LINE_BREAK", "A text that is one line holds line breaks or tabs.";
    TooFew = "TOO_FEW", "A list holds fewer than it must.";
    TooMany = "TOO_MANY", "A list holds more than it may.";
    TooManyOrganizations = "TOO_MANY_ORGANIZATIONS", "A request would reach more organizations than it may.";
    TooSmall = "TOO_SMALL", "A number is smaller than it may be.";
    TooLarge = "TOO_LARGE", "A number is larger than it may be.";
    Zero = "ZERO", "An amount is zero.";
    TooEarly = "TOO_EARLY", "A time or a day is earlier than it may be.";
    WrongType = "WRONG_TYPE", "The value has another type or form.";
    UnknownField = "UNKNOWN_FIELD", "There is no such field.";
    UnknownValue = "UNKNOWN_VALUE", "The value is none of those that there are.";
    UnknownKind = "UNKNOWN_KIND", "There is no such kind of thing.";
    UnknownTimeZone = "UNKNOWN_TIME_ZONE", "There is no such time zone.";
    InvalidUuid = "INVALID_UUID", "The text is no UUID.";
    InvalidEmail = "INVALID_EMAIL", "The text is no e-mail address.";
    InvalidUrl = "INVALID_URL", "The text is no address of the web.";
    InvalidCountry = "INVALID_COUNTRY", "The text is no country's code.";
    InvalidCurrency = "INVALID_CURRENCY", "The text is no currency's code.";
    InvalidColour = "INVALID_COLOUR", "The text is no colour.";
    InvalidHours = "INVALID_HOURS", "The text is no time of a weekday.";
    InvalidDate = "INVALID_DATE", "The text is no day.";
    Overlap = "OVERLAP", "Two times overlap.";
    InvalidHandle = "INVALID_HANDLE", "The text is no handle of a desk.";
    InvalidCursor = "INVALID_CURSOR", "The cursor is of another list or order, or its row has moved.";
    Exclusive = "EXCLUSIVE", "Two fields exclude each other.";
    ExactlyOne = "EXACTLY_ONE", "Exactly one of several fields is needed.";
    NotFound = "NOT_FOUND", "There is no such thing, or the reader may not see it.";
    Archived = "ARCHIVED", "The thing that is named is archived.";
    Taken = "TAKEN", "Somebody else has the name.";
    NotOfTheDesk = "NOT_OF_THE_DESK", "The person who is named does not work for the desk.";
    NotAChoice = "NOT_A_CHOICE", "The answer is none of those to choose from.";
    Ended = "ENDED", "The thing that is named has ended.";
    Circle = "CIRCLE", "A chain of links would lead back to where it begins.";
    NotADesk = "NOT_A_DESK", "The organization that is named is no concierge's desk.";
    NotAnHoa = "NOT_AN_HOA", "The party that is named is no association.";
    OwnOrganization = "OWN_ORGANIZATION", "The organization that is named is the acting one.";
    Yourself = "YOURSELF", "The person who is named is the one who asks.";
    NotForAgents = "NOT_FOR_AGENTS", "Agents and services do not get this.";
    NotNarrower = "NOT_NARROWER", "The value would widen what can only be narrowed.";
    Exceeds = "EXCEEDS", "More would be given than there is to give.";
    ExceedsWhole = "EXCEEDS_WHOLE", "The shares would be more than the whole.";
}

impl FieldCode {
    /// The code of this name, which whoever refuses a field writes as text.
    pub fn named(name: &str) -> FieldCode {
        FieldCode::parse(name).unwrap_or_else(|| {
            debug_assert!(false, "{name} is no code of a field");
            FieldCode::WrongType
        })
    }
}
