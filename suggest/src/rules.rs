//! Rules by hand: cues, denials, and the words of texts that are refused. Phrases are slices of a reading's line: `_` stands
//! for the gap between words, so `hoa_` is a whole word and `leak` the beginning of one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Openers of a denial: the words after it are set aside.
pub const DENIALS: &[&str] = &[
    "_not_about_",
    "_not_asking_",
    "_not_the_",
    "_not_a_",
    "_not_an_",
    "_not_my_",
    "_not_for_",
    "_isnt_about_",
    "_nothing_to_do_with_",
    "_nothing_about_",
    "_no_need_to_",
    "_no_need_for_",
    "_rather_than_",
    "_instead_of_",
    "_dont_need_",
    "_do_not_need_",
    "_dont_want_",
    "_do_not_want_",
    "_forget_",
];
/// Words that end a denial before its clause ends.
pub const RETURNS: &[&str] = &["_but_", "_just_", "_only_", "_its_", "_it_is_", "_i_need_", "_i_want_"];
/// Closers of a denial: the words of the clause before it are set aside.
pub const DISMISSALS: &[&str] = &[
    "_is_fine_",
    "_are_fine_",
    "_was_fine_",
    "_is_not_the_problem_",
    "_isnt_the_problem_",
    "_is_not_the_issue_",
    "_isnt_the_issue_",
];

struct Cue {
    group: usize,
    phrase: String,
    /// Stands for every word that begins so.
    open: bool,
}

/// The cues of `cues.txt`: groups by name, each with its phrases.
static GROUPS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let lines = include_str!("../cues.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(": ")).collect()
});

pub fn groups() -> impl ExactSizeIterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

pub fn phrases() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, phrases)| phrases.split(", "))
}

fn listed() -> impl Iterator<Item = Cue> {
    GROUPS.iter().enumerate().flat_map(|(group, (_, phrases))| {
        phrases.split(", ").map(move |phrase| Cue {
            group,
            phrase: phrase.trim_end_matches('*').replace(' ', "_"),
            open: phrase.ends_with('*'),
        })
    })
}

fn start(phrase: &str) -> &[u8] {
    &phrase.as_bytes()[..2.min(phrase.len())]
}

/// Calls the taker with the group of every cue that begins here. `here` is a line from the gap before a word on.
pub fn cues(here: &str, mut take: impl FnMut(usize)) {
    static INDEX: LazyLock<BTreeMap<Vec<u8>, Vec<Cue>>> = LazyLock::new(|| {
        let mut index: BTreeMap<Vec<u8>, Vec<Cue>> = BTreeMap::new();
        for cue in listed() {
            index.entry(start(&cue.phrase).to_vec()).or_default().push(cue);
        }
        index
    });
    let Some(candidates) = INDEX.get(start(&here[1..])) else { return };
    for cue in candidates {
        if here[1..]
            .strip_prefix(cue.phrase.as_str())
            .is_some_and(|rest| cue.open || ["_", "s_", "es_"].iter().any(|end| rest.starts_with(end)))
        {
            take(cue.group);
        }
    }
}
/// Everyday English words, known without any training.
const EVERYDAY: &str = "a about after again all also am an and any are as at back be because been before being but by can could \
    did do does for from get go going got had has have he her here him his how i if im in into is it its ive just know like me \
    more my need no not now of on one or our out over please she should so some than thank thanks that the their them then there \
    these they this to too up us very want was we were what when where which who why will with would you your yes";
/// Everyday words of other languages that are no English words.
const FOREIGN: &str = "aber auch avec bei bitte como con czy dans das dass dei del della den der des dla doch dos een ein eine el ele \
    em en es esta est est\u{e1} et f\u{fc}r gli haben het hola ich il ist je jest k\u{f6}nnen la las le les los ma mais mein meine met mi mit mois \
    muss na nas nicht nie niet nos nous oder para per perch\u{e9} pero por pour que qui sa sehr sich sie sono sont soy su sur tem tengo \
    tu um una und une unser uns van voor vom von votre vous was\u{f3}b we\u{f6} wij wir y zijn zu zum zur";
/// Orders to a machine and code, which no owner writes.
const ORDERS: &[&str] = &[
    "_ignore_previous_",
    "_ignore_all_previous_",
    "_ignore_all_instructions_",
    "_ignore_the_above_",
    "_ignore_your_",
    "_disregard_previous_",
    "_disregard_all_",
    "_system_prompt_",
    "_you_are_now_",
    "_drop_table_",
    "_union_select_",
    "_select_from_",
    "_script_",
    "_onerror_",
    "_etc_passwd_",
];

pub fn everyday(padded: &str) -> bool {
    static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| sorted(EVERYDAY));
    WORDS.binary_search(&padded.trim_matches('_')).is_ok()
}

pub fn foreign(padded: &str) -> bool {
    static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| sorted(FOREIGN));
    WORDS.binary_search(&padded.trim_matches('_')).is_ok()
}

pub fn orders(line: &str) -> bool {
    ORDERS.iter().any(|order| line.contains(order))
}

fn sorted(words: &str) -> Vec<&str> {
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// The urgency: the model's, unless the text's words leave no doubt.
pub fn urgency(_reading: &crate::reading::Reading, learned: usize) -> usize {
    learned
}
