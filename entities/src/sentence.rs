//! Changes told in a sentence that a person can read.

use crate::{
    history::{FieldMove, HistoryEntry},
    person::Actor,
};
use async_graphql::{ComplexObject, Context};
use kind::relation::known;
use schema::{Nullable, PrincipalKind, nullable};
use uuid::Uuid;

/// A change, to be told.
pub struct Sentence {
    who: Uuid,
    kind: PrincipalKind,
    name: Option<String>,
    event: String,
    fields: Vec<String>,
    moves: Vec<FieldMove>,
}

impl HistoryEntry {
    pub fn told(&self) -> Sentence {
        Sentence {
            who: self.actor_id.0,
            kind: self.actor_kind,
            name: self.doer().name,
            event: self.kind.clone(),
            fields: self.fields.clone(),
            moves: self.moves.clone(),
        }
    }
}

#[ComplexObject]
impl Sentence {
    /// What happened, in a sentence. People whom the reader may not know have no name in it.
    async fn sentence(&self, cx: &Context<'_>) -> Nullable<String> {
        nullable(async {
            let who = match self.kind {
                PrincipalKind::System => "The gateway".to_owned(),
                _ => known::<Actor>(cx, self.who).await?.and(self.name.clone()).unwrap_or_else(|| "Somebody".into()),
            };
            let mut told = format!("{who} {}", self.did());
            if let Some(to) = self.to("assigneeId").and_then(|id| id.parse().ok()) {
                let whom = known::<Actor>(cx, to).await?.and_then(|actor| actor.display_name);
                told.push_str(" to ");
                told.push_str(whom.as_deref().unwrap_or("somebody of the desk"));
            }
            told.push_str(&self.besides());
            told.push('.');
            Ok(Some(told))
        })
        .await
    }
}

/// `WAITING_OWNER` in words.
fn words(text: &str) -> String {
    text.to_lowercase().replace('_', " ")
}

/// `resolveBy` in words.
fn spaced(field: &str) -> String {
    let mut text = String::with_capacity(field.len() + 4);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

impl Sentence {
    fn moved(&self, field: &str) -> Option<&FieldMove> {
        self.moves.iter().find(|one| one.field == field)
    }

    fn to(&self, field: &str) -> Option<&str> {
        self.moved(field)?.to.as_deref()
    }

    /// The deed, in the past.
    fn did(&self) -> String {
        let told = match self.event.as_str() {
            "intent.submitted" => "said what is wanted",
            "intent.revised" => "said it in other words",
            "intent.withdrawn" => "took the wish back",
            "intent.classified" => "read the wish and said what it is about",
            "intent.declined" => "declined the wish",
            "intent.converted" => "made a case of the wish",
            "case.created" => "opened the case",
            "case.triaged" => "looked at the case and took it on",
            "case.assigned" | "case.unassigned" if self.to("assigneeId").is_none() => "left the case to nobody in particular",
            "case.assigned" => "gave the case",
            "case.asked" => "asked the owner, and the case waits for an answer",
            "case.answered" => "answered, and the case goes on",
            "case.moved" => match self.to("state") {
                Some("IN_PROGRESS") => "went on with the case",
                Some("WAITING_OWNER") => "let the case wait for its owner",
                Some("WAITING_EXTERNAL") => "let the case wait for others",
                Some("TRIAGED") => "looked at the case and took it on",
                _ => "moved the case",
            },
            "case.reprioritized" => "changed how urgent the case is",
            "case.resolved" => "resolved the case",
            "case.closed" => "closed the case",
            "case.reopened" => "took the case up again",
            "case.cancelled" => "cancelled the case",
            "case.reminded" => "reminded of what is due",
            "case.escalated" => "told the lead that the case is late",
            "case_note.created" | "internal_note.created" => "wrote a note",
            "case_question.asked" => "asked a question",
            "case_question.answered" => "answered a question",
            "case_question.withdrawn" => "took a question back",
            "case_question.reminded" => "reminded of a question",
            "case_question.escalated" => "told the lead that a question has no answer",
            "case_link.created" => "linked the case to another",
            "case_link.ended" => "took a link to another case away",
            other => {
                let (thing, verb) = other.split_once('.').unwrap_or(("thing", other));
                let fields: Vec<String> = self.fields.iter().map(|field| spaced(field)).collect();
                let these =
                    if verb == "updated" && !fields.is_empty() { format!(": {}", fields.join(", ")) } else { String::new() };
                return format!("{} the {}{these}", words(verb), words(thing));
            }
        };
        told.to_owned()
    }

    /// The priority, where it changed besides.
    fn besides(&self) -> String {
        match self.moved("priority") {
            Some(FieldMove { from: Some(from), to: Some(to), .. }) => format!(", from {} to {}", words(from), words(to)),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldMove, Sentence};
    use schema::PrincipalKind;

    fn told(event: &str, fields: &[&str], moves: &[(&str, Option<&str>, Option<&str>)]) -> String {
        let moves = moves.iter().map(|(field, from, to)| FieldMove {
            field: (*field).to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        });
        let sentence = Sentence {
            who: uuid::Uuid::nil(),
            kind: PrincipalKind::Human,
            name: None,
            event: event.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            moves: moves.collect(),
        };
        sentence.did() + &sentence.besides()
    }

    #[test]
    fn a_change_is_told_in_words() {
        assert_eq!(told("case.moved", &["state"], &[("state", Some("TRIAGED"), Some("IN_PROGRESS"))]), "went on with the case");
        let urgent = [("priority", Some("LOW"), Some("URGENT"))];
        assert_eq!(told("case.reprioritized", &["priority"], &urgent), "changed how urgent the case is, from low to urgent");
        assert_eq!(
            told("external_party.updated", &["phone", "websiteAddress"], &[]),
            "updated the external party: phone, website address"
        );
        assert_eq!(told("access_grant.accepted", &[], &[]), "accepted the access grant");
    }
}
