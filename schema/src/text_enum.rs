//! Enums are text with a CHECK in PostgreSQL (an enum type's operators are not leak-proof, so an
//! index could not serve them under row security) and SCREAMING_SNAKE_CASE on every surface.

/// Declares an enum that is text in the database and an enum on every surface.
#[macro_export]
macro_rules! text_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            $crate::private::serde::Serialize, $crate::private::serde::Deserialize,
            $crate::private::schemars::JsonSchema, $crate::private::async_graphql::Enum,
            $crate::private::sea_orm::DeriveActiveEnum, $crate::private::sea_orm::EnumIter,
        )]
        #[serde(crate = "schema::private::serde")]
        #[schemars(
            crate = "schema::private::schemars",
            transform = |schema: &mut $crate::private::schemars::Schema| $crate::told_enum(schema, <$name as $crate::TextEnum>::TEXTS)
        )]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] #[graphql(name = $text)] #[sea_orm(string_value = $text)] $variant,)*
        }

        impl $crate::Cell for $name {
            fn cell(row: &$crate::private::sqlx::postgres::PgRow, at: usize) -> Result<Self, $crate::private::sqlx::Error> {
                $crate::one_of(row, at)
            }
        }

        impl $crate::TextEnum for $name {
            const TEXTS: &'static [&'static str] = &[$($text,)*];
            fn text(self) -> &'static str {
                self.as_str()
            }
        }

        impl $crate::private::store::OneOf for $name {
            fn of_text(text: &str) -> Option<Self> {
                $name::parse(text)
            }
        }

        impl $crate::Datum for $name {
            const TYPE: $crate::ColumnType = $crate::ColumnType::Text;
            const TEXTS: &'static [&'static str] = <$name as $crate::TextEnum>::TEXTS;
            fn fact(&self) -> Option<$crate::private::serde_json::Value> {
                Some(self.as_str().into())
            }
            fn mark(&self) -> i64 {
                $crate::mark_of_text(self.as_str())
            }
            fn marked(mark: i64) -> Option<$crate::private::sea_orm::sea_query::SimpleExpr> {
                let one = $name::ALL.iter().find(|one| $crate::mark_of_text(one.as_str()) == mark)?;
                Some($crate::private::sea_orm::sea_query::Expr::val(one.as_str()))
            }
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

text_enum!(
    /// What a principal is. Read from its row, never from a token.
    PrincipalKind { Human = "HUMAN", Agent = "AGENT", Service = "SERVICE", System = "SYSTEM" }
);

text_enum!(
    /// What a membership lets its principal be in an organization.
    Role {
        Owner = "OWNER",
        CoOwner = "CO_OWNER",
        /// Trustee of a trust, manager of an LLC.
        Trustee = "TRUSTEE",
        ConciergeStaff = "CONCIERGE_STAFF",
        Administrator = "ADMINISTRATOR",
    }
);

impl Role {
    /// Whether members with this role stand for the owner, so that their delegations count. In SQL: `app.stands_for_owner(role)`.
    pub const fn stands_for_owner(self) -> bool {
        matches!(self, Role::Owner | Role::CoOwner | Role::Trustee | Role::Administrator)
    }
}

/// Writes an enum's schema as one list of texts, with the meaning of each in its description: generators make one type of it.
pub fn told_enum(schema: &mut schemars::Schema, texts: &[&str]) {
    let about = |schema: &serde_json::Map<String, serde_json::Value>| {
        schema.get("description").and_then(|about| about.as_str()).map(str::to_owned)
    };
    let mut lines: Vec<String> = schema.as_object().and_then(about).into_iter().collect();
    for variant in schema.get("oneOf").and_then(|variants| variants.as_array()).into_iter().flatten() {
        if let (Some(text), Some(about)) = (variant["const"].as_str(), variant.as_object().and_then(about)) {
            lines.push(format!("`{text}`: {about}"));
        }
    }
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), texts.into());
    if !lines.is_empty() {
        schema.insert("description".into(), lines.join("\n").into());
    }
}
