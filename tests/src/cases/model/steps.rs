//! The steps at cases and wishes: somebody does something, which goes or is refused as the model says.

use super::{
    Case,
    CaseState::{self, Cancelled, Closed, InProgress, New, Resolved, Triaged, WaitingExternal, WaitingOwner},
    DAY, Intent, PRIORITIES, Question, open,
    play::{Play, Who, time},
    waits,
};
use serde_json::{Value, json};

/// The verbs with the state that they lead to, where it is one.
const VERBS: [(&str, Option<CaseState>); 17] = [
    ("triage", Some(Triaged)),
    ("updateStatus", Some(Triaged)),
    ("updateStatus", Some(InProgress)),
    ("updateStatus", Some(WaitingOwner)),
    ("updateStatus", Some(WaitingExternal)),
    ("resolve", Some(Resolved)),
    ("close", Some(Closed)),
    ("reopen", Some(InProgress)),
    ("cancel", Some(Cancelled)),
    ("ask", Some(WaitingOwner)),
    ("answer", None),
    ("update", None),
    ("assign", None),
    ("unassign", None),
    ("changePriority", None),
    ("addNote", None),
    ("addInternalNote", None),
];

fn leads(verb: &str, from: CaseState, to: CaseState) -> bool {
    match verb {
        "triage" => from == New,
        "updateStatus" => match to {
            Triaged => from == New,
            InProgress => from == Triaged || waits(from),
            _ => from == InProgress,
        },
        "ask" => matches!(from, InProgress | WaitingOwner),
        "resolve" => from == InProgress || waits(from),
        "close" => from == Resolved,
        "reopen" => matches!(from, Resolved | Closed),
        _ => open(from),
    }
}

impl Play {
    /// The right of somebody at an owner's, and the code with which they are refused.
    fn may(&self, owner: usize, who: Who, verbs: (&[&str], &[&str]), verb: &str) -> Result<(), &'static str> {
        match who {
            Who::Desk(desk) if !self.model.lets[owner][desk] => Err("GRANT_NOT_FOUND"),
            Who::Desk(_) if verb == "submit" || verb == "withdraw" => Err("FORBIDDEN"),
            Who::Desk(_) => Ok(()),
            Who::Delegate if owner == 1 => Err("ORGANIZATION_NOT_FOUND"),
            Who::Owner if verbs.0.contains(&verb) => Ok(()),
            Who::Delegate if verbs.1.contains(&verb) => Ok(()),
            _ => Err("FORBIDDEN"),
        }
    }

    /// The desk that holds a case that nobody chose one for.
    fn only_desk(&self, owner: usize) -> Option<usize> {
        match self.model.lets[owner] {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        }
    }

    pub(super) async fn create(&mut self, owner: usize) {
        let (who, priority) = (self.somebody(), self.random.below(4));
        let body = json!({ "title": "The gutter", "propertyId": self.houses[owner], "priority": PRIORITIES[priority] });
        let expected = self.may(owner, who, (&["create"], &[]), "create");
        let answer = self.call(owner, who, "case/v1/create", body).await;
        if let Some(id) = self.expect(format!("{who:?} creates of {owner}"), answer, expected) {
            let desk = if let Who::Desk(desk) = who { Some(desk) } else { self.only_desk(owner) };
            let by_desk = matches!(who, Who::Desk(_));
            self.model.cases.push(Case::opened(id, owner, priority, desk, by_desk, self.model.now));
        }
    }

    pub(super) async fn wish(&mut self, owner: usize) {
        let who = self.somebody();
        let theirs: Vec<usize> = (0..self.model.intents.len()).filter(|at| self.model.intents[*at].owner == owner).collect();
        if theirs.is_empty() || self.random.below(2) == 0 {
            let body = json!({ "text": "The gutter drips", "propertyId": self.houses[owner] });
            let expected = self.may(owner, who, (&["submit"], &["submit"]), "submit");
            let answer = self.call(owner, who, "intent/v1/submit", body).await;
            if let Some(id) = self.expect(format!("{who:?} submits to {owner}"), answer, expected) {
                self.model.intents.push(Intent { id, owner, state: "SUBMITTED", urgency: 1, version: 1 });
            }
            return;
        }
        let at = theirs[self.random.below(theirs.len())];
        let verb = self.random.pick(&["classify", "convertToCase", "convertToCase", "decline", "withdraw"]);
        let urgency = self.random.below(4);
        let intent = &self.model.intents[at];
        let mut body = json!({ "id": intent.id, "version": intent.version });
        match verb {
            "classify" => (body["kind"], body["urgency"]) = (json!("REPAIR"), json!(PRIORITIES[urgency])),
            "decline" => body["reason"] = json!("No"),
            _ => {}
        }
        let ended = !matches!(intent.state, "SUBMITTED" | "CLASSIFIED");
        let classified = intent.state == "CLASSIFIED";
        let owners = &["classify", "convertToCase", "decline", "withdraw"];
        let expected = self.may(owner, who, (owners, &["withdraw"]), verb).and(match verb {
            _ if ended => Err("INTENT_ENDED"),
            "convertToCase" if !classified => Err("INVALID_TRANSITION"),
            _ => Ok(()),
        });
        let answer = self.call(owner, who, &format!("intent/v1/{verb}"), body).await;
        let Some(id) = self.expect(format!("{who:?} {verb} intent {at}"), answer, expected) else { return };
        let desk = if let Who::Desk(desk) = who { Some(desk) } else { self.only_desk(owner) };
        let intent = &mut self.model.intents[at];
        intent.version += 1;
        match verb {
            "classify" => (intent.state, intent.urgency) = ("CLASSIFIED", urgency),
            "decline" => intent.state = "DECLINED",
            "withdraw" => intent.state = "WITHDRAWN",
            _ => {
                intent.state = "CONVERTED";
                let (priority, by_desk) = (intent.urgency, matches!(who, Who::Desk(_)));
                self.model.cases.push(Case::opened(id, owner, priority, desk, by_desk, self.model.now));
            }
        }
    }

    /// A verb of a case: mostly one that goes, by somebody who may.
    pub(super) async fn work(&mut self) {
        let at = self.random.below(self.model.cases.len());
        let mut who = self.somebody();
        let mut verb = VERBS[self.random.below(VERBS.len())];
        for _ in 0..self.random.below(60) {
            let case = &self.model.cases[at];
            let mine = match who {
                Who::Desk(desk) => self.model.lets[case.owner][desk] && case.desk.is_none_or(|holder| holder == desk),
                Who::Owner => matches!(verb.0, "answer" | "reopen" | "close" | "cancel"),
                Who::Delegate => verb.0 == "answer",
            };
            // Few are cancelled, so that the others live.
            if mine && verb.0 != "cancel" && verb.1.is_none_or(|to| leads(verb.0, case.state, to)) {
                break;
            }
            (who, verb) = (self.somebody(), VERBS[self.random.below(VERBS.len())]);
        }
        let (verb, to) = verb;
        let now = self.model.now;
        let (priority, days) = (self.random.below(4), self.random.below(3) as i64);
        let stale = self.random.below(25) == 0;
        let case = &self.model.cases[at];
        let owner = case.owner;
        let asked = case.questions.iter().rposition(|question| question.state == "OPEN").or(case.questions.len().checked_sub(1));
        let mut body = json!({ "id": case.id });
        let versioned = !matches!(verb, "answer" | "addNote" | "addInternalNote");
        if versioned {
            body["version"] = json!(case.version + i64::from(stale));
        }
        let until = (days > 0).then(|| now + days * DAY);
        let at_time = |second: Option<i64>| second.map_or(Value::Null, |second| json!(time(second)));
        match verb {
            "triage" => (body["kind"], body["priority"]) = (json!("REPAIR"), json!(PRIORITIES[priority])),
            "updateStatus" => {
                body["state"] = json!(to.expect("a state").as_str());
                if to == Some(WaitingExternal) {
                    body["waitingFor"] = json!("The HOA");
                }
                if to.is_some_and(waits) {
                    body["waitingUntil"] = at_time(until);
                }
            }
            "resolve" => (body["resolution"], body["summary"]) = (json!("DONE"), json!("Mended")),
            "reopen" | "cancel" => body["reason"] = json!("So"),
            "ask" => (body["text"], body["dueAt"]) = (json!("Zinc?"), at_time(until)),
            "answer" => {
                // One that is none, where nothing was ever asked.
                body["questionId"] = asked.map_or_else(|| case.id.clone(), |asked| case.questions[asked].id.clone());
                body["answer"] = json!("Yes");
            }
            "update" => body["title"] = json!(format!("The gutter, {}", self.done.len())),
            "changePriority" => body["priority"] = json!(PRIORITIES[priority]),
            "addNote" | "addInternalNote" => body["text"] = json!("A note"),
            _ => {}
        }
        let owners = &["update", "answer", "cancel", "reopen", "close", "addNote"];
        let expected = self.may(owner, who, (owners, &["answer", "addNote"]), verb);
        let held = matches!((who, case.desk), (Who::Desk(mine), Some(desk)) if mine != desk && self.model.lets[owner][desk]);
        let expected = expected
            .and(if versioned && stale { Err("VERSION_CONFLICT") } else { Ok(()) })
            .and(if held { Err("CASE_HELD_BY_ANOTHER") } else { Ok(()) })
            .and(match (verb, to) {
                ("reopen", _) if case.state == Closed && case.reopens_until.is_some_and(|until| until < now) => {
                    Err("CASE_REOPEN_TOO_LATE")
                }
                ("answer", _) if asked.is_none() => Err("INVALID_INPUT"),
                ("answer", _) if asked.is_some_and(|asked| case.questions[asked].state != "OPEN") => Err("CASE_QUESTION_ENDED"),
                (_, Some(to)) if !leads(verb, case.state, to) => Err("CASE_INVALID_TRANSITION"),
                ("update" | "assign" | "unassign" | "changePriority", _) if !open(case.state) => Err("CASE_ENDED"),
                _ => Ok(()),
            });
        let answer = self.call(owner, who, &format!("case/v1/{verb}"), body).await;
        let told = format!("{who:?} {verb} {to:?} case {at} of {owner}, {}, days {days}", case_state(&self.model.cases[at]));
        let Some(id) = self.expect(told, answer, expected) else { return };
        if verb == "addNote" || verb == "addInternalNote" {
            return;
        }
        let case = &mut self.model.cases[at];
        let before = case.clone();
        case.free(now, self.model.lets[owner]);
        if let Who::Desk(desk) = who {
            let taken = case.desk.is_none();
            case.desk = Some(desk);
            if open(case.state) {
                case.looked.get_or_insert(now);
            }
            if taken {
                case.promise(now);
            } else if case.looked.is_some() {
                case.look_soon = None;
            }
        }
        match verb {
            "triage" => {
                case.goes(Triaged, now);
                if case.priority != priority {
                    case.priority = priority;
                    case.promise(now);
                }
            }
            "updateStatus" => {
                let asked = case.state == WaitingOwner;
                case.goes(to.expect("a state"), now);
                if asked {
                    case.withdraw();
                }
                case.waits_until = until.filter(|_| waits(case.state));
            }
            "resolve" => {
                case.goes(Resolved, now);
                case.withdraw();
                case.closes = Some(now + case.level().map_or(7, |level| level.closes) * DAY);
            }
            "close" => case.close(now),
            "reopen" => {
                case.worked = 0;
                case.goes(InProgress, now);
                (case.closes, case.closed, case.reopens_until) = (None, None, None);
                case.reopened += 1;
            }
            "cancel" => {
                case.goes(Cancelled, now);
                case.withdraw();
            }
            "ask" => {
                if case.state != WaitingOwner {
                    case.goes(WaitingOwner, now);
                }
                case.questions.push(Question { id, state: "OPEN", next: until, reminded: false, escalated: false });
            }
            "answer" => {
                let question = &mut case.questions[asked.expect("a question")];
                (question.state, question.next) = ("ANSWERED", None);
                if case.state == WaitingOwner && case.questions.iter().all(|question| question.state != "OPEN") {
                    case.goes(InProgress, now);
                }
            }
            "assign" => case.assignee = if let Who::Desk(desk) = who { Some(desk) } else { None },
            "unassign" => case.assignee = None,
            "changePriority" if case.priority != priority => {
                case.priority = priority;
                case.promise(now);
            }
            _ => {}
        }
        // What changes nothing makes no version.
        case.version += i64::from(verb == "update" || *case != before);
        case.fire(now, self.model.lets[owner]);
        self.timers().await;
    }
}

fn case_state(case: &Case) -> &'static str {
    case.state.as_str()
}
