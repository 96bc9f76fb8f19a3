//! The reads of every kind: one row by its id, and a list, on both surfaces. Declared once a kind, in its domain's `mod.rs`.

/// A word that a kind says of itself.
#[macro_export]
macro_rules! known {
    (across) => {
        true
    };
}

/// Makes the procedures `Get` and `List` and the query fields of a kind.
#[macro_export]
macro_rules! reads {
    (
        $kind:ident: $object:ident;
        $get_about:literal $get_name:literal $get_input:ident, $one:ident $one_about:literal $(, $across:ident)?;
        $list_about:literal $list_name:literal $list_input:ident ($first_order:ident), $many:ident $many_about:literal;
        $query:ident
    ) => {
        #[::kind::input]
        pub struct $get_input {
            pub id: <$kind::Model as ::kind::Kind>::Id,
        }

        pub struct Get;

        impl ::schema::Procedure for Get {
            const NAME: &'static str = $get_name;
            const ABOUT: &'static str = $get_about;
            const RUNS: ::schema::Runs = ::schema::Runs::Read;
            const ERRORS: &'static [::schema::Code] = &[];
            type Input = $get_input;
            type Output = $kind::$object;
            type Subject = $crate::Listed;
            $(const ACROSS: bool = $crate::known!($across);)?

            fn example() -> $get_input {
                $get_input { id: <$kind::Model as ::kind::Kind>::EXAMPLE }
            }

            async fn subject(_: &::schema::Context, _: &$get_input) -> ::schema::Result<$crate::Listed> {
                Ok($crate::Listed(&[$kind::KIND]))
            }

            // A row that the reader may not see is looked for as one that is not there, and takes as long.
            async fn handle(
                cx: &::schema::Context,
                allowed: ::schema::Allowed<$crate::Listed>,
                input: $get_input,
            ) -> ::schema::Result<Self::Output> {
                let owner = <$kind::Model as ::kind::Kind>::whose(&cx.actor);
                ::kind::page::one::<$kind::Model>(&cx.proven(&allowed), owner, input.id).await
            }
        }

        #[::kind::input(page)]
        pub struct $list_input {
            #[dive]
            pub filter: Option<<$kind::Model as ::kind::Listed>::Filter>,
            pub order_by: Option<<$kind::Model as ::kind::Listed>::Order>,
        }

        pub struct List;

        impl ::schema::Procedure for List {
            const NAME: &'static str = $list_name;
            const ABOUT: &'static str = $list_about;
            const RUNS: ::schema::Runs = ::schema::Runs::Read;
            const ERRORS: &'static [::schema::Code] = &[::schema::Code::INVALID_CURSOR];
            type Input = $list_input;
            type Output = ::kind::Connection<$kind::$object>;
            type Subject = $crate::Listed;

            fn example() -> $list_input {
                let order = <$kind::Model as ::kind::Listed>::Order::$first_order;
                $list_input { first: Some(20), order_by: Some(order), ..Default::default() }
            }

            async fn subject(_: &::schema::Context, _: &$list_input) -> ::schema::Result<$crate::Listed> {
                Ok($crate::Listed(&[$kind::KIND]))
            }

            async fn handle(
                cx: &::schema::Context,
                allowed: ::schema::Allowed<$crate::Listed>,
                input: $list_input,
            ) -> ::schema::Result<Self::Output> {
                let $list_input { first, after, last, before, filter, order_by, with_total } = input;
                let page = ::kind::Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
                let list = ::kind::page::list::<$kind::Model>;
                let owner = <$kind::Model as ::kind::Kind>::whose(&cx.actor);
                list(&cx.proven(&allowed), owner, filter, order_by, page).await
            }
        }

        #[derive(Default)]
        pub struct $query(::kind::Scope);

        impl ::kind::Scoped for $query {
            fn of(scope: ::kind::Scope) -> Self {
                $query(scope)
            }
        }

        impl ::kind::Root for $query {
            const PLANS: &'static [::kind::Plan] = &[
                ::kind::Plan::named(stringify!($one), &[$kind::KIND])$(.$across())?,
                ::kind::Plan::named(stringify!($many), &[$kind::KIND]),
            ];
        }

        #[async_graphql::Object]
        impl $query {
            #[doc = $one_about]
            async fn $one(
                &self,
                cx: &async_graphql::Context<'_>,
                id: <$kind::Model as ::kind::Kind>::Id,
            ) -> schema::Nullable<::kind::Ready<$kind::$object>> {
                schema::nullable(async {
                    let snapshot = schema::snapshot(cx).await?;
                    let owner = self.0.whose::<$kind::Model>(&*snapshot).await?;
                    Ok(Some(::kind::Ready(::kind::page::one::<$kind::Model>(&*snapshot, owner, id).await?)))
                })
                .await
            }

            #[doc = $many_about]
            #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
            async fn $many(
                &self,
                cx: &async_graphql::Context<'_>,
                first: Option<i32>,
                after: Option<String>,
                last: Option<i32>,
                before: Option<String>,
                filter: Option<<$kind::Model as ::kind::Listed>::Filter>,
                order_by: Option<<$kind::Model as ::kind::Listed>::Order>,
            ) -> schema::Nullable<::kind::Ready<::kind::Connection<$kind::$object>>> {
                let with_total = cx.look_ahead().field("totalCount").exists();
                let page = ::kind::Page { first, after, last, before, with_total };
                schema::nullable(async {
                    schema::input::validate_at("filter", filter.as_ref())?;
                    let snapshot = schema::snapshot(cx).await?;
                    let list = ::kind::page::list::<$kind::Model>;
                    let owner = self.0.whose::<$kind::Model>(&*snapshot).await?;
                    Ok(Some(::kind::Ready(list(&*snapshot, owner, filter, order_by, page).await?)))
                })
                .await
            }
        }
    };
}
