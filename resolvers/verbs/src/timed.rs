//! The verbs that the gateway itself calls when a deadline has come. Each takes the id of a row, and no more.

/// Makes a verb of the timer, carried out by a function of the row that was judged.
#[macro_export]
macro_rules! timed {
    (
        $verb:ident $name:literal $input:ident of $kind:ident, such as $example:expr;
        $about:literal;
        $runs:ident, changes_rights: $rights:literal, errors: [$($error:expr),*];
        $work:ident
    ) => {
        #[::kind::input]
        pub struct $input {
            pub id: <$kind as ::kind::Kind>::Id,
        }

        pub struct $verb;

        impl ::schema::Procedure for $verb {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const RUNS: ::schema::Runs = $runs;
            const CHANGES_RIGHTS: bool = $rights;
            const ERRORS: &'static [::schema::Code] = &[$($error),*];
            const EXPOSED: bool = false;
            type Input = $input;
            type Output = $kind;
            type Subject = ::kind::Seen<$kind>;

            fn example() -> $input {
                $input { id: $example }
            }

            async fn subject(cx: &::schema::Context, input: &$input) -> ::schema::Result<Self::Subject> {
                ::kind::Seen::find(cx, input.id).await
            }

            async fn handle(
                cx: &::schema::Context,
                allowed: ::schema::Allowed<Self::Subject>,
                _: $input,
            ) -> ::schema::Result<Self::Output> {
                $work(cx, allowed).await
            }
        }
    };
}
