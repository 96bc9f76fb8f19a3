//! Ids, with a type for each entity: a `PropertyId` is not a `MembershipId`, though both are UUIDv7 on the wire and `ID` in
//! GraphQL.

/// Declares an id: UUID in PostgreSQL and JSON, `ID` in GraphQL. The number after its name makes `EXAMPLE`, the id that
/// the contract's examples show and that the tests' rows have; further examples have names of their own.
#[macro_export]
macro_rules! id {
    ($(#[$about:meta])* $name:ident = $example:literal $(, $another:ident = $number:literal)*) => {
        $crate::id!($(#[$about])* $name);

        impl $name {
            pub const EXAMPLE: $name = $name($crate::example($example));
            $(pub const $another: $name = $name($crate::example($number));)*
        }
    };
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            $crate::private::serde::Serialize, $crate::private::serde::Deserialize,
            $crate::private::sea_orm::DeriveValueType,
        )]
        #[serde(crate = "schema::private::serde", transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            pub fn uuid(self) -> $crate::private::uuid::Uuid {
                self.0
            }
        }

        $crate::private::store::wrapped!($name);

        impl $crate::Datum for $name {
            const TYPE: $crate::ColumnType = $crate::ColumnType::Uuid;
            fn fact(&self) -> Option<$crate::private::serde_json::Value> {
                self.0.fact()
            }
        }

        impl From<$name> for $crate::private::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$crate::private::uuid::Uuid> for $name {
            fn from(id: $crate::private::uuid::Uuid) -> Self {
                $name(id)
            }
        }

        impl $crate::private::schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                "UUID".into()
            }
            fn json_schema(_: &mut $crate::private::schemars::SchemaGenerator) -> $crate::private::schemars::Schema {
                $crate::private::schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }

        impl $crate::private::sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, $crate::private::sea_orm::DbErr> {
                Err($crate::private::sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl $crate::private::async_graphql::InputType for $name {
            type RawValueType = Self;
            fn type_name() -> std::borrow::Cow<'static, str> {
                "ID".into()
            }
            fn create_type_info(registry: &mut $crate::private::async_graphql::registry::Registry) -> String {
                <$crate::private::async_graphql::ID as $crate::private::async_graphql::InputType>::create_type_info(registry)
            }
            fn parse(value: Option<$crate::private::async_graphql::Value>) -> $crate::private::async_graphql::InputValueResult<Self> {
                use $crate::private::async_graphql::{InputType, InputValueError, ID};
                let id = <ID as InputType>::parse(value).map_err(InputValueError::propagate)?;
                id.parse::<$crate::private::uuid::Uuid>().map($name).map_err(|_| InputValueError::custom("not a UUID"))
            }
            fn to_value(&self) -> $crate::private::async_graphql::Value {
                $crate::private::async_graphql::Value::String($crate::hyphenated(self.0))
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        #[$crate::private::async_trait::async_trait]
        impl $crate::private::async_graphql::OutputType for $name {
            fn type_name() -> std::borrow::Cow<'static, str> {
                "ID".into()
            }
            fn create_type_info(registry: &mut $crate::private::async_graphql::registry::Registry) -> String {
                <$crate::private::async_graphql::ID as $crate::private::async_graphql::OutputType>::create_type_info(registry)
            }
            async fn resolve(
                &self,
                _: &$crate::private::async_graphql::ContextSelectionSet<'_>,
                _: &$crate::private::async_graphql::Positioned<$crate::private::async_graphql::parser::types::Field>,
            ) -> $crate::private::async_graphql::ServerResult<$crate::private::async_graphql::Value> {
                Ok($crate::private::async_graphql::Value::String($crate::hyphenated(self.0)))
            }
        }
    };
}

use uuid::Uuid;

/// The UUIDv7 of an example, from its number.
pub const fn example(number: u32) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + number as u128)
}

/// The usual text of a UUID, written without a formatter.
pub fn hyphenated(id: Uuid) -> String {
    id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

id!(
    /// The isolation unit: who owns the data.
    OrganizationId = 0xf1, LINKED_EXAMPLE = 0xf2, CONCIERGE_EXAMPLE = 0xf9
);
impl store::Tenant for OrganizationId {
    fn uuid(self) -> Uuid {
        self.0
    }
}

id!(
    /// Who acts: a human, an agent, a service, or the system itself.
    PrincipalId
);
id!(
    /// One recorded mutation.
    OperationId = 0xd1
);
id!(
    /// One organization's leave for another to see, or to act.
    AccessGrantId = 0xe1, OFFERED_EXAMPLE = 0xe2
);
impl OrganizationId {
    /// The id of none, for one that was named and not found.
    pub const NONE: OrganizationId = OrganizationId(Uuid::nil());
}

impl PrincipalId {
    /// The id of nobody, for one who was named and not found.
    pub const NOBODY: PrincipalId = PrincipalId(Uuid::nil());
}
