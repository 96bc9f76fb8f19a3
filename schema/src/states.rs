//! State machines, declared as tables: the states, the moves between them, the procedures that make a move, and the fields that
//! their input must hold for it.

use crate::{Code, Error, FieldCode, FieldError, Result};
use std::fmt::Write;

/// One move of a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// None: a row begins with it.
    pub from: Option<&'static str>,
    pub to: &'static str,
    /// The procedures that make it.
    pub by: &'static [&'static str],
    /// The input fields that must be given for it.
    pub given: &'static [&'static str],
}

/// One state machine, as tests and documents read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    pub name: &'static str,
    /// The table whose column `state` holds it.
    pub table: &'static str,
    pub states: &'static [&'static str],
    pub moves: &'static [Move],
    /// The code of a move that is not in the table.
    pub refused: Code,
}

impl Machine {
    /// The states that a row may move to from this one.
    pub fn allowed(&self, from: &str) -> Vec<&'static str> {
        self.moves.iter().filter(|step| step.from == Some(from)).map(|step| step.to).collect()
    }

    /// Refuses a move that this procedure does not make, besides all that [`check`](Self::check) refuses.
    pub fn check_by(&self, procedure: &str, from: &str, to: &str, given: &[&str]) -> Result<()> {
        let step = self.moves.iter().find(|step| step.from == Some(from) && step.to == to);
        match step {
            Some(Move { by, .. }) if !by.contains(&procedure) => {
                let details = serde_json::json!({ "from": from, "to": to, "allowed": self.allowed(from) });
                Err(Error::new(self.refused).message(format!("{} makes that move.", by.join(" or "))).details(details))
            }
            _ => self.check(from, to, given),
        }
    }

    /// Refuses a move that is not in the table, and a move for which a required field is not given.
    pub fn check(&self, from: &str, to: &str, given: &[&str]) -> Result<()> {
        let Some(step) = self.moves.iter().find(|step| step.from == Some(from) && step.to == to) else {
            let details = serde_json::json!({ "from": from, "to": to, "allowed": self.allowed(from) });
            return Err(Error::new(self.refused).details(details));
        };
        let missing = step.given.iter().filter(|field| !given.contains(field));
        let missing: Vec<FieldError> = missing
            .map(|field| FieldError {
                field: (*field).to_owned(),
                code: FieldCode::Required,
                message: format!("must be given to move to {to}"),
            })
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::new(Code::INVALID_INPUT).fields(missing)) }
    }

    /// Whether a procedure makes a move from this state.
    pub fn moved_by(&self, from: &str, procedure: &str) -> bool {
        self.moves.iter().any(|step| step.from == Some(from) && step.by.contains(&procedure))
    }

    /// Whether a procedure makes any move from a state.
    pub fn moves_by(&self, procedure: &str) -> bool {
        self.moves.iter().any(|step| step.from.is_some() && step.by.contains(&procedure))
    }

    /// The states that no row ever comes to.
    pub fn unreachable(&self) -> Vec<&'static str> {
        let mut reached: Vec<&str> = Vec::new();
        while let Some(step) =
            self.moves.iter().find(|step| !reached.contains(&step.to) && step.from.is_none_or(|from| reached.contains(&from)))
        {
            reached.push(step.to);
        }
        self.states.iter().copied().filter(|state| !reached.contains(state)).collect()
    }

    /// The picture of the machine, in Mermaid.
    pub fn picture(&self) -> String {
        let mut text = String::from("stateDiagram-v2\n");
        for Move { from, to, by, given } in self.moves {
            let needs = if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) };
            let _ = writeln!(text, "    {} --> {to}: {}{needs}", from.unwrap_or("[*]"), by.join("<br/>"));
        }
        for last in self.states.iter().filter(|state| self.allowed(state).is_empty()) {
            let _ = writeln!(text, "    {last} --> [*]");
        }
        text
    }

    /// The document of all machines.
    pub fn document(all: &[Machine]) -> String {
        let mut text = String::from(
            "# States\n\nWritten by `make bless` from the `states!` tables. A row moves along the arrows only; each names the procedures that\nmake the move and, in brackets, the input fields that must be given for it.\n",
        );
        for machine in all {
            let Machine { name, table, .. } = machine;
            let _ = write!(text, "\n## {name}, in `{table}.state`\n\n```mermaid\n{}```\n", machine.picture());
        }
        text
    }
}

/// Declares a state machine: a [`text_enum!`](crate::text_enum) of its states, and the moves between them.
#[macro_export]
macro_rules! states {
    ($(#[$about:meta])* $name:ident of $table:literal { $($rest:tt)* }) => {
        $crate::states!($(#[$about])* $name of $table, refusing $crate::INVALID_TRANSITION { $($rest)* });
    };
    ($(#[$about:meta])* $name:ident of $table:literal, refusing $refused:path {
        new => [$($first:ident by $($maker:literal)|+),+ $(,)?],
        $($(#[$doc:meta])* $variant:ident = $text:literal => [
            $($next:ident by $($verb:literal)|+ $(with $($given:literal)&+)?),* $(,)?
        ]),+ $(,)?
    }) => {
        $crate::text_enum!($(#[$about])* $name { $($(#[$doc])* $variant = $text),+ });

        impl $name {
            pub const MACHINE: $crate::Machine = $crate::Machine {
                name: stringify!($name),
                table: $table,
                states: &[$($text),+],
                moves: &[
                    $($crate::Move { from: None, to: $name::$first.as_str(), by: &[$($maker),+], given: &[] },)+
                    $($($crate::Move {
                        from: Some($text),
                        to: $name::$next.as_str(),
                        by: &[$($verb),+],
                        given: &[$($($given),+)?],
                    },)*)+
                ],
                refused: $refused,
            };

            /// The states that a row may move to from this one.
            pub const fn allowed(self) -> &'static [$name] {
                match self { $($name::$variant => &[$($name::$next),*],)+ }
            }

            /// Whether the state is final.
            pub const fn ended(self) -> bool {
                self.allowed().is_empty()
            }

            /// The next state, by a move that needs nothing to be given.
            pub fn to(self, next: $name) -> $crate::Result<$name> {
                self.to_with(next, &[])
            }

            /// The next state, by a move that this procedure makes, with the input fields that were given.
            pub fn to_by(self, procedure: &str, next: $name, given: &[&str]) -> $crate::Result<$name> {
                $name::MACHINE.check_by(procedure, self.as_str(), next.as_str(), given).map(|()| next)
            }

            /// The next state, with the input fields that were given.
            pub fn to_with(self, next: $name, given: &[&str]) -> $crate::Result<$name> {
                $name::MACHINE.check(self.as_str(), next.as_str(), given).map(|()| next)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{Machine, Move};
    use crate::{Code, INVALID_TRANSITION};
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use serde_json::json;

    states!(
        /// The state of a parcel.
        ParcelState of "parcel" {
            new => [Packed by "parcel/v1/pack"],
            Packed = "PACKED" => [
                Sent by "parcel/v1/send" | "parcel/v1/hand_over",
                Lost by "parcel/v1/lose" with "reason" & "lostAt",
            ],
            Sent = "SENT" => [Packed by "parcel/v1/take_back"],
            /// Gone for good.
            Lost = "LOST" => [],
        }
    );

    struct Parcel(ParcelState);

    #[Object]
    impl Parcel {
        async fn allowed_transitions(&self) -> &[ParcelState] {
            self.0.allowed()
        }
    }

    #[test]
    fn a_state_moves_along_its_arrows_only() {
        assert_eq!(ParcelState::ALL, [ParcelState::Packed, ParcelState::Sent, ParcelState::Lost]);
        assert_eq!(ParcelState::Packed.to(ParcelState::Sent).ok(), Some(ParcelState::Sent));
        assert_eq!(ParcelState::Packed.allowed(), [ParcelState::Sent, ParcelState::Lost]);
        assert_eq!(ParcelState::ALL.iter().map(|state| state.ended()).collect::<Vec<_>>(), [false, false, true]);
        let refused = ParcelState::Sent.to(ParcelState::Lost).expect_err("no such arrow");
        assert_eq!(refused.code(), INVALID_TRANSITION);
        assert_eq!(refused.detail(), Some(&json!({ "from": "SENT", "to": "LOST", "allowed": ["PACKED"] })));
        let itself = ParcelState::Lost.to(ParcelState::Lost).expect_err("to stay is no move");
        assert_eq!(itself.detail(), Some(&json!({ "from": "LOST", "to": "LOST", "allowed": [] })));
    }

    #[test]
    fn a_move_that_needs_something_is_refused_without_it() {
        for (given, missing) in [(&[][..], &["reason", "lostAt"][..]), (&["reason"], &["lostAt"]), (&["reason", "lostAt"], &[])] {
            let moved = ParcelState::Packed.to_with(ParcelState::Lost, given);
            let said: Vec<String> = match &moved {
                Ok(state) => {
                    assert_eq!(*state, ParcelState::Lost);
                    Vec::new()
                }
                Err(error) => {
                    assert_eq!(error.code(), Code::INVALID_INPUT);
                    error.field_errors().iter().map(|error| error.field.clone()).collect()
                }
            };
            assert_eq!(said, missing);
        }
        let other = ParcelState::Packed.to_by("parcel/v1/send", ParcelState::Lost, &["reason", "lostAt"]);
        assert_eq!(other.map_err(|error| error.code()), Err(INVALID_TRANSITION), "a move has verbs of its own");
        assert_eq!(ParcelState::Packed.to_by("parcel/v1/send", ParcelState::Sent, &[]).ok(), Some(ParcelState::Sent));
        let bare = ParcelState::Packed.to(ParcelState::Lost).expect_err("not without a reason");
        assert_eq!(bare.code(), Code::INVALID_INPUT);
    }

    #[test]
    fn clients_are_shown_the_allowed_moves() {
        let sdl = Schema::new(Parcel(ParcelState::Sent), EmptyMutation, EmptySubscription).sdl();
        assert!(sdl.contains("allowedTransitions: [ParcelState!]!"), "{sdl}");
        assert!(sdl.contains("The state of a parcel.") && sdl.contains("Gone for good."), "{sdl}");
    }

    #[test]
    fn a_state_without_a_way_to_it_is_found() {
        assert_eq!(ParcelState::MACHINE.unreachable(), Vec::<&str>::new());
        let step = |from, to| Move { from, to, by: &["x"], given: &[] };
        let island = [step(None, "A"), step(Some("B"), "C"), step(Some("C"), "B")];
        let machine = Machine {
            name: "Island",
            table: "island",
            states: &["A", "B", "C"],
            moves: Box::leak(Box::new(island)),
            refused: INVALID_TRANSITION,
        };
        assert_eq!(machine.unreachable(), ["B", "C"]);
    }

    #[test]
    fn the_picture_names_who_moves_it_and_what_must_be_given() {
        let picture = [
            "stateDiagram-v2",
            "    [*] --> PACKED: parcel/v1/pack",
            "    PACKED --> SENT: parcel/v1/send<br/>parcel/v1/hand_over",
            "    PACKED --> LOST: parcel/v1/lose (reason, lostAt)",
            "    SENT --> PACKED: parcel/v1/take_back",
            "    LOST --> [*]",
            "",
        ];
        assert_eq!(ParcelState::MACHINE.picture(), picture.join("\n"));
    }
}
