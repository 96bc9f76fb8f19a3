//! The financials of one thing: the same for a property and for a portfolio.

/// Makes the procedure `OfOne` and the query field.
macro_rules! financials {
    ($over:ident, $kind:ident::$id:ident, $name:literal $about:literal, $input:ident, $query:ident.$field:ident) => {
        use crate::prelude::*;
        use async_graphql::Object;
        use kind::{Plan, Root, Scope, Scoped};
        use owners::{
            report::{self, Financials, Over},
            $kind::$id,
        };
        use schema::{Nullable, Reading, nullable, snapshot};

        #[input]
        pub struct $input {
            pub id: $id,
            /// The first day.
            pub from: Option<Date>,
            /// The first day after.
            pub until: Option<Date>,
        }

        impl $input {
            async fn read(self, reading: &dyn Reading, owner: OrganizationId) -> Result<Financials> {
                let $input { id, from, until } = self;
                report::financials(reading, owner, Over::$over(id), from, until).await
            }
        }

        pub struct OfOne;

        impl Procedure for OfOne {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const RUNS: Runs = Runs::Read;
            const ROWS: u64 = 100;
            const ERRORS: &'static [Code] = &[];
            type Input = $input;
            type Output = Financials;
            type Subject = Listed;

            fn example() -> $input {
                $input { id: $id::EXAMPLE, from: Date::parse("2026-01-01"), until: None }
            }

            async fn subject(_: &Context, _: &$input) -> Result<Listed> {
                Ok(Listed(report::KINDS))
            }

            async fn handle(cx: &Context, allowed: Allowed<Listed>, input: $input) -> Result<Financials> {
                input.read(&cx.proven(&allowed), cx.owner()).await
            }
        }

        #[derive(Default)]
        pub struct $query(Scope);

        impl Scoped for $query {
            fn of(scope: Scope) -> Self {
                $query(scope)
            }
        }

        impl Root for $query {
            const PLANS: &'static [Plan] = &[Plan::named(stringify!($field), report::KINDS)];
        }

        #[Object]
        impl $query {
            #[doc = $about]
            async fn $field(
                &self,
                cx: &async_graphql::Context<'_>,
                id: $id,
                from: Option<Date>,
                until: Option<Date>,
            ) -> Nullable<Financials> {
                nullable(async {
                    let snapshot = snapshot(cx).await?;
                    let owner = self.0.owner(&*snapshot).await?;
                    $input { id, from, until }.read(&*snapshot, owner).await.map(Some)
                })
                .await
            }
        }
    };
}
pub(crate) use financials;
