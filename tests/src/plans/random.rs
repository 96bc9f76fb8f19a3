//! Random conditions over random rows, with the PDP's own check as the oracle. `PLANS_SEED` tries
//! others than the usual ones.

use super::{Lab, Seed, Verdict};
use crate::harness::folder;
use authz::Principal;
use serde_json::{Map, json};

/// SplitMix64: the same sequence everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const TEXTS: &[&str] = &[
    "",
    "x",
    "one",
    "One",
    "public",
    "private",
    "100%_x",
    "a.b",
    "a.b.c",
    "a.bc",
    "a",
    "a:b",
    "tail\\",
    "héllo🚀",
    "zz",
    "r3",
    "r1",
];
const NUMBERS: &[&str] = &["0.0", "1.0", "-2.0", "2.5", "0.7", "0.1", "3.0", "100.0", "-0.5", "9007199254740992.0"];
const STORED: &[f64] = &[0.0, 1.0, -2.0, 2.5, 0.7, 0.1, 0.3, -0.6, 1e308, -1e308, 5e-324, 1.3, 1e-323];
const WHOLE: &[i64] = &[0, 1, 2, 3, -1, -2, 5, 100, 9_007_199_254_740_991];
const TIMES: &[&str] = &[
    "2020-03-15T10:30:00Z",
    "2020-03-15T10:30:00.123456Z",
    "2024-02-29T23:59:59.999999Z",
    "1999-12-31T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2037-01-01T00:00:00Z",
];

/// The type of a lambda's variable.
#[derive(Clone, Copy)]
enum Of {
    Tag,
    Name,
    Category,
    Sub,
    Label,
    /// A text of a literal list.
    Word,
}

#[derive(Clone, Default)]
struct Names(Vec<(String, Of)>);

impl Names {
    fn with(&self, of: Of) -> (String, Names) {
        let name = format!("v{}", self.0.len());
        let mut names = self.clone();
        names.0.push((name.clone(), of));
        (name, names)
    }
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn text(dice: &mut Dice, names: &Names, depth: usize) -> String {
    let mut fields: Vec<String> = [
        "aString",
        "aOptionalString",
        "scope",
        "createdBy",
        "obj.inner",
        "parent.aString",
        "parent.aOptionalString",
        "parent.inner.aString",
    ]
    .iter()
    .map(|name| format!("R.attr.{name}"))
    .collect();
    fields.push("R.id".into());
    for (name, of) in &names.0 {
        match of {
            Of::Tag => fields.extend([format!("{name}.id"), format!("{name}.name")]),
            Of::Category | Of::Sub | Of::Label => fields.push(format!("{name}.name")),
            Of::Word => fields.push(name.clone()),
            // A name may be null, which is good for equality only.
            Of::Name => {}
        }
    }
    match dice.below(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => quoted(dice.pick(TEXTS)),
        2..=5 => fields[dice.below(fields.len())].clone(),
        6 => format!("({} + {})", text(dice, names, depth - 1), text(dice, names, depth - 1)),
        7 => {
            format!("({} ? {} : {})", boolean(dice, names, depth - 1), text(dice, names, depth - 1), text(dice, names, depth - 1))
        }
        _ => {
            let function = dice.pick(&["lowerAscii", "upperAscii"]);
            format!("{}.{function}()", text(dice, names, depth - 1))
        }
    }
}

/// A field that may be null without being missing.
fn nullable(dice: &mut Dice, names: &Names) -> String {
    let mut fields = vec!["R.attr.owner".to_owned(), "R.attr.coOwner".to_owned()];
    fields.extend(names.0.iter().filter(|(_, of)| matches!(of, Of::Name)).map(|(name, _)| name.clone()));
    fields[dice.below(fields.len())].clone()
}

fn double(dice: &mut Dice, names: &Names, depth: usize) -> String {
    match dice.below(if depth == 0 { 4 } else { 7 }) {
        0 => (*dice.pick(NUMBERS)).to_owned(),
        1 => "R.attr.aNumber".into(),
        2 => "R.attr.aDouble".into(),
        3 => dice.pick(&["R.attr.parent.aNumber", "R.attr.parent.inner.aNumber"]).to_owned(),
        4 | 5 => {
            let operator = dice.pick(&["+", "-", "*", "/"]);
            format!("({} {operator} {})", attribute_number(dice), double(dice, names, depth - 1))
        }
        _ => format!(
            "({} ? {} : {})",
            boolean(dice, names, depth - 1),
            double(dice, names, depth - 1),
            double(dice, names, depth - 1)
        ),
    }
}

fn attribute_number(dice: &mut Dice) -> String {
    dice.pick(&["R.attr.aNumber", "R.attr.aDouble"]).to_owned()
}

fn whole(dice: &mut Dice, names: &Names, depth: usize) -> String {
    let literal = |dice: &mut Dice| ["0", "1", "2", "3", "7"][dice.below(5)].to_owned();
    match dice.below(if depth == 0 { 4 } else { 7 }) {
        0 => format!("size({})", text(dice, names, 0)),
        1 | 2 => format!("size({})", list(dice, names, depth.saturating_sub(1)).0),
        3 => "int(R.attr.aNumber)".into(),
        4 | 5 => {
            let operator = dice.pick(&["+", "-", "*", "/", "%"]);
            format!("({} {operator} {})", whole(dice, names, depth - 1), literal(dice))
        }
        _ => {
            let part = dice.pick(&[
                "getFullYear",
                "getMonth",
                "getDate",
                "getDayOfMonth",
                "getDayOfWeek",
                "getDayOfYear",
                "getHours",
                "getMinutes",
                "getSeconds",
                "getMilliseconds",
            ]);
            format!("timestamp(R.attr.createdAt).{part}()")
        }
    }
}

/// A list, and the type of its elements.
fn list(dice: &mut Dice, names: &Names, depth: usize) -> (String, Of) {
    let mut lists = vec![
        ("R.attr.tags".to_owned(), Of::Tag),
        ("R.attr.tagNames".into(), Of::Name),
        ("R.attr.ofMe".into(), Of::Word),
        ("R.attr.categories".into(), Of::Category),
    ];
    for (name, of) in &names.0 {
        match of {
            Of::Category => lists.push((format!("{name}.subCategories"), Of::Sub)),
            Of::Sub => lists.push((format!("{name}.labels"), Of::Label)),
            _ => {}
        }
    }
    let (plain, of) = lists.swap_remove(dice.below(lists.len()));
    if depth == 0 {
        return (plain, of);
    }
    match dice.below(6) {
        0 => {
            let (name, inner) = names.with(of);
            (format!("{plain}.filter({name}, {})", boolean(dice, &inner, depth - 1)), of)
        }
        1 => {
            let (name, inner) = names.with(of);
            (format!("{plain}.map({name}, {})", text(dice, &inner, depth - 1)), Of::Word)
        }
        2 => {
            let (name, inner) = names.with(of);
            let (other, kept) = names.with(of);
            let filtered = format!("{plain}.filter({name}, {})", boolean(dice, &inner, depth - 1));
            (format!("{filtered}.map({other}, {})", text(dice, &kept, depth - 1)), Of::Word)
        }
        _ => (plain, of),
    }
}

fn words(dice: &mut Dice, more_than_ten: bool) -> String {
    let count = if more_than_ten { 11 + dice.below(3) } else { 1 + dice.below(3) };
    let words: Vec<_> = (0..count).map(|_| quoted(dice.pick(TEXTS))).collect();
    format!("[{}]", words.join(", "))
}

/// A list of texts, stored or not.
fn texts(dice: &mut Dice, names: &Names, depth: usize) -> String {
    match dice.below(5) {
        0 => words(dice, false),
        1 => "R.attr.tagNames".into(),
        2 => "R.attr.ofMe".into(),
        3 => {
            let (name, inner) = names.with(Of::Tag);
            format!("R.attr.tags.map({name}, {})", text(dice, &inner, depth.saturating_sub(1)))
        }
        _ => "P.attr.words".into(),
    }
}

fn boolean(dice: &mut Dice, names: &Names, depth: usize) -> String {
    let order = |dice: &mut Dice| dice.pick(&["<", "<=", ">", ">=", "==", "!="]).to_owned();
    if depth > 0 && dice.one_in(2) {
        let inner = depth - 1;
        return match dice.below(12) {
            0 | 1 => format!("({} && {})", boolean(dice, names, inner), boolean(dice, names, inner)),
            2 | 3 => format!("({} || {})", boolean(dice, names, inner), boolean(dice, names, inner)),
            4 | 5 => format!("!({})", boolean(dice, names, inner)),
            6 => format!("({} ? {} : {})", boolean(dice, names, inner), boolean(dice, names, inner), boolean(dice, names, inner)),
            7 => format!("({} {} {})", boolean(dice, names, inner), dice.pick(&["==", "!="]), boolean(dice, names, inner)),
            8 => {
                let (name, scope) = names.with(Of::Word);
                let macro_ = dice.pick(&["exists", "all", "exists_one"]);
                let literal = dice.one_in(2);
                let words = words(dice, literal);
                format!("{words}.{macro_}({name}, {})", boolean(dice, &scope, inner))
            }
            _ => {
                let (list, of) = list(dice, names, inner);
                let (name, scope) = names.with(of);
                let macro_ = dice.pick(&["exists", "all", "exists_one"]);
                format!("{list}.{macro_}({name}, {})", boolean(dice, &scope, inner))
            }
        };
    }
    let leaf = match dice.below(16) {
        0 => dice.pick(&["R.attr.aBool", "R.attr.parent.aBool", "R.attr.parent.inner.aBool", "true", "false"]).to_owned(),
        1 | 2 => format!("{} {} {}", text(dice, names, depth.min(1)), order(dice), text(dice, names, depth.min(1))),
        3 => {
            let function = dice.pick(&["contains", "startsWith", "endsWith"]);
            format!("{}.{function}({})", text(dice, names, 0), text(dice, names, depth.min(1)))
        }
        4 | 5 => format!("{} {} {}", double(dice, names, depth.min(2)), order(dice), double(dice, names, depth.min(1))),
        6 | 7 => {
            let operator = order(dice);
            let literals: &[&str] = if operator.contains("=") { &["0", "1", "2", "-3"] } else { &["0", "1", "2", "1.5", "-3"] };
            format!("{} {operator} {}", whole(dice, names, depth.min(2)), dice.pick(literals))
        }
        8 => format!("{} {} null", nullable(dice, names), dice.pick(&["==", "!="])),
        9 => format!("{} {} {}", nullable(dice, names), dice.pick(&["==", "!="]), nullable(dice, names)),
        10 => format!("{} {} {}", nullable(dice, names), dice.pick(&["==", "!="]), quoted(dice.pick(TEXTS))),
        11 => {
            let one = if dice.one_in(2) { nullable(dice, names) } else { text(dice, names, 0) };
            format!("{one} in {}", texts(dice, names, depth.min(1)))
        }
        12 => format!("hasIntersection({}, {})", texts(dice, names, depth.min(1)), texts(dice, names, 0)),
        13 => {
            let function = dice.pick(&["ancestorOf", "descendentOf", "overlaps", "immediateParentOf", "immediateChildOf"]);
            let field = dice.pick(&["R.attr.scope", "R.attr.aString", "R.attr.aOptionalString"]);
            let separator = dice.pick(&["", ", \":\""]);
            format!("hierarchy({field}{separator}).{function}(hierarchy({}{separator}))", text(dice, names, 0))
        }
        14 => {
            let time = "timestamp(R.attr.createdAt)";
            let literal = format!("timestamp({})", quoted(dice.pick(TIMES)));
            match dice.below(3) {
                0 => format!("{time} {} {literal}", order(dice)),
                1 => format!("{time} + duration(\"36h\") {} {literal}", order(dice)),
                _ => format!("{literal} - {time} {} duration(\"{}\")", order(dice), dice.pick(&["1h", "-24h", "200000h", "0s"])),
            }
        }
        _ => {
            let tail = dice.pick(&[
                "R.attr.tags.map(t, t.id) == [\"t0\", \"t1\"]",
                "R.attr.tagNames[0] == \"public\"",
                "R.attr.tagNames[1] != null",
                "R.attr.tags == []",
                "R.attr.aString == 3.0",
                "\"t0\" in R.attr.ofMe",
                "!(\"t1\" in R.attr.ofMe)",
                "R.attr.aNumber == \"x\"",
                "R.attr.aNumber in [1.0, 2.0, 5.0]",
                "isSubset(R.attr.tagNames, [\"public\", \"private\", \"x\"])",
                "except(R.attr.tagNames, [\"public\"]).exists(n, n == \"x\")",
                "\"finance\" in R.attr.mainCategory.subNames",
                "R.attr.mainCategory.subCategories.exists_one(s, s.name == \"finance\")",
                "P.attr.grants.exists(g, g.id == R.id && \"read\" in g.actions)",
                "string(size(R.attr.tags)) == \"2\"",
                "double(size(R.attr.tags)) > R.attr.aDouble",
                "[R.attr.aString, R.attr.aOptionalString] == [\"x\", \"one\"]",
                "{\"a\": R.attr.aOptionalString, \"b\": R.attr.aString}.b == \"one\"",
                "[{\"a\": R.attr.aOptionalString, \"b\": \"one\"}].exists(o, o.b == R.attr.aString)",
                "{\"a\": R.attr.aOptionalString} != {\"b\": \"y\"}",
                "[R.attr.tags.filter(x, x.id != \"t1\")].exists(l, l.exists(t, size(l) == 2))",
                "R.attr.categories.map(c, c.subCategories.filter(s, s.name == \"x\")).exists(l, l.exists(s, size(l) == 1))",
                "R.attr.aNumber / 0.0 != R.attr.aDouble",
                "hierarchy(R.attr.owner) != hierarchy(\"a\")",
                "string(R.attr.owner) != \"x\"",
                "hierarchy(R.attr.aString, \"::\").ancestorOf(hierarchy(R.attr.scope, \"::\"))",
                "R.attr.tagNames[0] != 3.0",
                "R.attr.tagNames[0] in [\"one\", null]",
                "!(R.attr.tagNames[0] in [\"one\"])",
                "R.attr.tags != null",
                "(timestamp(R.attr.createdAt) + duration(\"36h\")).getDate() > 15",
                "R.attr.aDouble / 3.0 > 0.0",
                "0.7 * R.attr.aDouble > 0.0",
                "0.3 * R.attr.aDouble == 0.0",
                "R.attr.tags.exists(R, R.id == \"t1\")",
                "(R.attr.aBool ? P.attr.seven : 3.0) == R.attr.aNumber",
                "timestamp(R.attr.createdAt) - timestamp(\"1600-01-01T00:00:00Z\") > duration(\"1h\")",
                "!(timestamp(R.attr.createdAt) - duration(\"24h\") > timestamp(\"1990-01-01T00:00:00Z\"))",
                "R.attr.aString in [R.attr.aOptionalString, \"one\"]",
                "R.attr[\"aString\"] == \"one\"",
            ]);
            tail.to_owned()
        }
    };
    format!("({leaf})")
}

fn rows(dice: &mut Dice, count: usize) -> Vec<Seed> {
    let maybe = |dice: &mut Dice, of: &[&str]| (!dice.one_in(3)).then(|| dice.pick(of).to_owned());
    (0..count)
        .map(|number| Seed {
            id: format!("r{number}"),
            a_bool: dice.one_in(2),
            a_string: dice.pick(TEXTS).to_owned(),
            a_number: WHOLE[dice.below(WHOLE.len())],
            a_double: (!dice.one_in(4)).then(|| STORED[dice.below(STORED.len())]),
            a_optional_string: maybe(dice, TEXTS),
            scope: maybe(dice, TEXTS),
            created_at: maybe(dice, TIMES),
            created_by: dice.pick(TEXTS).to_owned(),
            tags: (0..dice.below(4)).map(|at| (format!("t{at}"), maybe(dice, TEXTS))).collect(),
            sub_category_names: (0..dice.below(3)).map(|_| dice.pick(&["finance", "tech", "x"]).to_owned()).collect(),
            labels: (0..dice.below(3)).map(|_| maybe(dice, &["gold", "silver", "x"])).collect(),
            parent: (!dice.one_in(3)).then(|| format!("r{}", dice.below(count))),
        })
        .collect()
}

const RULES: usize = 400;

#[tokio::test]
async fn random_conditions_select_what_the_check_allows() {
    let seed = std::env::var("PLANS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
    let mut dice = Dice::new(seed);
    let seeds = rows(&mut dice, 45);
    let conditions: Vec<String> = (0..RULES).map(|_| boolean(&mut dice, &Names::default(), 3)).collect();
    let rules: Vec<_> = conditions
        .iter()
        .enumerate()
        .map(|(number, condition)| {
            json!({
                "actions": [format!("a{number}")], "effect": "EFFECT_ALLOW", "roles": ["USER"],
                "condition": { "match": { "expr": condition } },
            })
        })
        .collect();
    let policy = json!({ "apiVersion": "api.cerbos.dev/v1", "resourcePolicy": { "version": "default", "resource": "random", "rules": rules } });
    let policies = folder("random-policies");
    std::fs::write(policies.join("random.json"), policy.to_string()).expect("a policy");
    let grants: Vec<_> =
        (0..12).map(|n| json!({ "id": format!("r{}", n * 2), "actions": [if n % 3 == 0 { "read" } else { "write" }] })).collect();
    let attributes = json!({ "seven": 7, "words": ["x", "one", "zz", "a.b"], "grants": grants });
    let principal = Principal {
        id: "u1".into(),
        roles: vec!["USER".into()],
        attributes: attributes.as_object().cloned().unwrap_or_else(Map::new),
    };
    let lab = Lab::new("random", &policies, "random", principal, &seeds).await;
    let (mut matched, mut telling) = (0, 0);
    let mut refused = std::collections::BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for (number, condition) in conditions.iter().enumerate() {
        match lab.judge(&format!("a{number}")).await {
            Verdict::Matched(ids) => {
                matched += 1;
                telling += usize::from(!ids.is_empty() && ids.len() < seeds.len());
            }
            Verdict::Refused(reason) => *refused.entry(reason).or_default() += 1,
            Verdict::Wrong(how) => wrong.push(format!("{condition}\n  {how}")),
        }
    }
    println!("{matched} matched, {telling} of them telling; refused {refused:#?}");
    assert!(wrong.is_empty(), "{} wrong, with PLANS_SEED={seed}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(matched * 4 > RULES * 3, "{matched} of {RULES} matched");
    assert!(telling * 3 > RULES, "{telling} of {RULES} tell rows apart");
}
