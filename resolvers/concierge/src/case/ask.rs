use super::{CASE_HELD_BY_ANOTHER, CASE_QUESTION_ENDED, CHANGE, work::Work};
use crate::prelude::*;
use concierge::{
    case::{CASE_INVALID_TRANSITION, Case, CaseId, CaseState},
    case_question::{self, CaseQuestion, CaseQuestionId, QuestionState},
};
use kind::Edit;
use schema::quota::QUESTIONS_OF_A_CASE;
use sea_orm::{ActiveValue::Set, QuerySelect, sea_query::LockType};

#[input]
pub struct CaseAskInput {
    pub id: CaseId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What is asked.
    #[text(2_000)]
    pub text: String,
    /// The answers to choose from. None: any text is one.
    #[texts(10, 200)]
    pub choices: Option<Vec<String>>,
    /// Until when an answer is needed. The owner is reminded then.
    pub due_at: Option<Time>,
}

pub struct Ask;

impl Procedure for Ask {
    const NAME: &'static str = "case/v1/ask";
    const ABOUT: &'static str = "Puts a question to the owner. The case waits for the answer.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, CASE_INVALID_TRANSITION, CASE_HELD_BY_ANOTHER];
    type Input = CaseAskInput;
    type Output = CaseQuestion;
    type Subject = Seen<Case>;

    fn example() -> CaseAskInput {
        CaseAskInput {
            id: CaseId::EXAMPLE,
            version: 1,
            text: "Zinc costs 600 and lasts; plastic costs 350. Which one shall we take?".into(),
            choices: Some(vec!["Zinc".into(), "Plastic".into()]),
            due_at: None,
        }
    }

    async fn subject(cx: &Context, input: &CaseAskInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseAskInput) -> Result<CaseQuestion> {
        let CaseAskInput { id: case_id, version, text, choices, due_at } = input;
        let mut work = Work::on(cx, allowed, version).await?;
        if work.next.state != CaseState::WaitingOwner {
            work.go(cx, Self::NAME, CaseState::WaitingOwner, &[])?;
        }
        if due_at.is_some_and(|due| due.0 <= cx.now()) {
            return Err(Error::invalid("dueAt", "TOO_EARLY", "must be later than now"));
        }
        let others = "SELECT FROM case_question WHERE organization_id = $1 AND case_id = $2";
        QUESTIONS_OF_A_CASE.ensure_rows(cx.tx().await?, cx.owner(), others, [case_id.0.into()]).await?;
        let question = case_question::Fresh {
            case_id,
            text,
            choices: choices.unwrap_or_default(),
            state: QuestionState::Open,
            due_at,
            asked_by: cx.actor.principal,
            asker_organization_id: cx.organization(),
            reminded_at: None,
            escalated_at: None,
            next_at: due_at,
            answer: None,
            choice: None,
            answered_by: None,
            answerer_organization_id: None,
            answered_at: None,
        };
        let question = cx.follow(&work.edit, question, "asked", "caseId").await?;
        work.next.open_questions += 1;
        work.next.question_at = [work.next.question_at, due_at].into_iter().flatten().min();
        work.done(cx, "asked").await?;
        Ok(question)
    }
}

/// Choose one of the answers, where the question has some, and say in words what else there is to say.
#[input]
pub struct CaseAnswerInput {
    /// The case.
    pub id: CaseId,
    /// The question, of this case.
    pub question_id: CaseQuestionId,
    /// One of the answers to choose from.
    #[text(200)]
    pub choice: Option<String>,
    /// The answer in words.
    #[text(5_000)]
    pub answer: Option<String>,
}

pub struct Answer;

impl Procedure for Answer {
    const NAME: &'static str = "case/v1/answer";
    const ABOUT: &'static str = "Answers a question of the desk's. Once nothing is open any more, the case goes on.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[CASE_QUESTION_ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseAnswerInput;
    type Output = CaseQuestion;
    type Subject = Seen<Case>;

    fn example() -> CaseAnswerInput {
        CaseAnswerInput {
            id: CaseId::EXAMPLE,
            question_id: CaseQuestionId::EXAMPLE,
            choice: Some("Zinc".into()),
            answer: Some("Please have it painted white.".into()),
        }
    }

    async fn subject(cx: &Context, input: &CaseAnswerInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseAnswerInput) -> Result<CaseQuestion> {
        let CaseAnswerInput { id, question_id, choice, answer } = input;
        let mut work = Work::on_any(cx, allowed).await?;
        let (tx, owner) = (cx.tx().await?, work.edit.organization_id);
        let question = case_question::by_id(owner, question_id).lock(LockType::NoKeyUpdate).one(tx).await?;
        let question = question.filter(|question| question.case_id == id);
        let question = question.ok_or_else(|| Error::invalid("questionId", "NOT_FOUND", "the case has no such question"))?;
        if question.state.ended() {
            return Err(Error::new(CASE_QUESTION_ENDED));
        }
        match (&choice, question.choices.is_empty()) {
            (Some(choice), _) if !question.choices.contains(choice) => {
                return Err(Error::invalid("choice", "NOT_A_CHOICE", "must be one of the question's choices"));
            }
            (None, false) => return Err(Error::invalid("choice", "REQUIRED", "choose one of the question's choices")),
            (None, true) if answer.is_none() => return Err(Error::invalid("answer", "REQUIRED", "say the answer")),
            _ => {}
        }
        let mut question = Edit::following(question);
        let state = question.state.to_with(QuestionState::Answered, &["questionId"])?;
        question.moved("state", Some(question.state.as_str().into()), Some(state.as_str().into()));
        question.changed("answer");
        question.active.state = Set(state);
        question.active.choice = Set(choice);
        question.active.answer = Set(answer);
        question.active.answered_by = Set(Some(cx.actor.principal));
        question.active.answerer_organization_id = Set(Some(cx.organization()));
        question.active.answered_at = Set(Some(cx.now().into()));
        question.active.next_at = Set(None);
        let question = cx.save(question, "answered").await?;
        let open = case_question::open(owner, id).all(tx).await?;
        work.next.open_questions = i32::try_from(open.len()).unwrap_or(i32::MAX);
        work.next.question_at = open.iter().filter_map(|question| question.next_at).min();
        if open.is_empty() && work.next.state == CaseState::WaitingOwner {
            work.go(cx, Self::NAME, CaseState::InProgress, &[])?;
        }
        work.done(cx, "answered").await?;
        Ok(question)
    }
}
