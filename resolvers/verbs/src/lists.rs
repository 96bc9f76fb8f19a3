/// A list beside those that a kind has: a page of something, found by rights on a kind, with a filter of its own or none.
#[macro_export]
macro_rules! lists {
    (
        $kind:ident: $procedure:ident of $output:ty $(, $across:ident)?;
        $name:literal $input:ident $about:literal;
        $query:ident, $field:ident $field_about:literal;
        $list:path $(, $given:ident: $filter:ty)?
    ) => {
        #[::kind::input(page)]
        pub struct $input {
            $(
                #[dive]
                pub $given: Option<$filter>,
            )?
        }

        pub struct $procedure;

        impl ::schema::Procedure for $procedure {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const RUNS: ::schema::Runs = ::schema::Runs::Read;
            const ERRORS: &'static [::schema::Code] = &[::schema::Code::INVALID_CURSOR];
            type Input = $input;
            type Output = ::kind::Connection<$output>;
            type Subject = $crate::Listed;
            $(const ACROSS: bool = $crate::known!($across);)?

            fn example() -> $input {
                $input { first: Some(20), ..Default::default() }
            }

            async fn subject(_: &::schema::Context, _: &$input) -> ::schema::Result<$crate::Listed> {
                Ok($crate::Listed(&[$kind::KIND]))
            }

            async fn handle(
                cx: &::schema::Context,
                allowed: ::schema::Allowed<$crate::Listed>,
                input: $input,
            ) -> ::schema::Result<Self::Output> {
                let $input { first, after, last, before, with_total $(, $given)? } = input;
                let page = ::kind::Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
                $list(&cx.proven(&allowed), $($given,)? page).await
            }
        }

        #[derive(Default)]
        pub struct $query;

        impl ::kind::Root for $query {
            const PLANS: &'static [::kind::Plan] = &[::kind::Plan::named(stringify!($field), &[$kind::KIND])$(.$across())?];
        }

        #[async_graphql::Object]
        impl $query {
            #[doc = $field_about]
            async fn $field(
                &self,
                cx: &async_graphql::Context<'_>,
                first: Option<i32>,
                after: Option<String>,
                last: Option<i32>,
                before: Option<String>,
                $($given: Option<$filter>,)?
            ) -> schema::Nullable<::kind::Connection<$output>> {
                let page = ::kind::Page::of_field(cx, first, after, last, before);
                schema::nullable(async {
                    $(schema::input::validate_at(stringify!($given), $given.as_ref())?;)?
                    $list(&*schema::snapshot(cx).await?, $($given,)? page).await.map(Some)
                })
                .await
            }
        }
    };
}
