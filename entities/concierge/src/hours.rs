//! Working hours: the times of a week at which work goes on, in a time zone, without holidays. All here are pure functions of time.

use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// A time of a weekday at which work goes on, in minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub day: Weekday,
    pub from: u16,
    pub until: u16,
}

const DAYS: [(&str, Weekday); 7] = [
    ("MON", Weekday::Mon),
    ("TUE", Weekday::Tue),
    ("WED", Weekday::Wed),
    ("THU", Weekday::Thu),
    ("FRI", Weekday::Fri),
    ("SAT", Weekday::Sat),
    ("SUN", Weekday::Sun),
];

const MIDNIGHT: u16 = 24 * 60;

impl FromStr for Span {
    type Err = ();

    /// `MON 09:00-17:30`; a day ends at `24:00`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (day, times) = text.split_once(' ').ok_or(())?;
        let (_, day) = *DAYS.iter().find(|(name, _)| *name == day).ok_or(())?;
        let (from, until) = times.split_once('-').ok_or(())?;
        let (from, until) = (minutes(from).ok_or(())?, minutes(until).ok_or(())?);
        if from < until { Ok(Span { day, from, until }) } else { Err(()) }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u16>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|minutes| *minutes <= MIDNIGHT)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.iter().find(|(_, day)| *day == self.day).map_or("", |(name, _)| name);
        let Span { from, until, .. } = self;
        write!(f, "{day} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

/// The times at which work goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    pub zone: Tz,
    /// Without overlaps.
    pub week: Vec<Span>,
    pub holidays: BTreeSet<NaiveDate>,
}

/// Work is looked for this far ahead. Whoever has none in that time has none.
const AHEAD: u64 = 366 * 5;

impl Hours {
    /// The moment at which this much work has been done, if it begins at `from`. None: there is no time to work.
    pub fn after(&self, from: DateTime<Utc>, work: TimeDelta) -> Option<DateTime<Utc>> {
        let mut left = work;
        let first = self.day_of(from);
        for ahead in 0..=AHEAD {
            for (begin, end) in self.on(first.checked_add_days(Days::new(ahead))?) {
                let begin = begin.max(from);
                if end <= begin {
                    continue;
                }
                // Nothing left to do: work ends with the first moment at which it could go on.
                if left <= end - begin {
                    return Some(begin + left);
                }
                left -= end - begin;
            }
        }
        None
    }

    /// The work that is done between two moments.
    pub fn between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> TimeDelta {
        let mut done = TimeDelta::zero();
        let mut day = self.day_of(from);
        let last = self.day_of(until);
        while day <= last {
            for (begin, end) in self.on(day) {
                done += (end.min(until) - begin.max(from)).max(TimeDelta::zero());
            }
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        done
    }

    /// The local day of a moment.
    fn day_of(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.zone).date_naive()
    }

    /// The times of work of a local day, in their order. An hour that a clock repeats is worked twice, and one that it leaves out
    /// never.
    fn on(&self, day: NaiveDate) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        if self.holidays.contains(&day) {
            return Vec::new();
        }
        let spans = self.week.iter().filter(|span| span.day == day.weekday());
        let spans: Vec<(TimeDelta, TimeDelta)> =
            spans.map(|span| (TimeDelta::minutes(span.from.into()), TimeDelta::minutes(span.until.into()))).collect();
        if spans.is_empty() {
            return Vec::new();
        }
        let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
        let mut times = Vec::new();
        // No zone is further from Greenwich than this.
        for (from, until, offset) in self.steady(midnight - TimeDelta::hours(15), midnight + TimeDelta::hours(39)) {
            for (begin, end) in &spans {
                let (begin, end) = ((midnight + *begin - offset).max(from), (midnight + *end - offset).min(until));
                if begin < end {
                    times.push((begin, end));
                }
            }
        }
        times.sort_unstable();
        times
    }

    /// The parts of a time in which the zone keeps its distance from Greenwich, each with that distance.
    fn steady(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>, TimeDelta)> {
        let offset = |moment: DateTime<Utc>| {
            TimeDelta::seconds(self.zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc().into())
        };
        let mut parts = Vec::new();
        let (mut begin, mut at) = (from, from);
        // Nowhere do clocks change twice within six hours.
        while at < until {
            let next = (at + TimeDelta::hours(6)).min(until);
            if offset(next) != offset(at) {
                let (mut before, mut after) = (at, next);
                while after - before > TimeDelta::seconds(1) {
                    let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
                    if offset(middle) == offset(at) { before = middle } else { after = middle }
                }
                parts.push((begin, after, offset(at)));
                begin = after;
            }
            at = next;
        }
        parts.push((begin, until, offset(begin)));
        parts
    }
}

/// The form of an entry of [`week`], for OpenAPI.
pub const PATTERN: &str =
    "^(MON|TUE|WED|THU|FRI|SAT|SUN) (([01][0-9]|2[0-3]):[0-5][0-9]|24:00)-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";

/// The rule for working hours: spans of a week that do not overlap.
pub fn week<T: schema::valid::Texts>(value: &T, _: &()) -> schema::valid::Valid {
    let Some(texts) = value.texts() else { return Ok(()) };
    let mut spans: Vec<Span> = Vec::with_capacity(texts.len());
    for text in texts {
        let span: Span = text
            .parse()
            .map_err(|()| garde::Error::new("INVALID_HOURS|must be a weekday and two times, such as MON 09:00-17:30"))?;
        if spans.iter().any(|other| other.day == span.day && other.from < span.until && span.from < other.until) {
            return Err(garde::Error::new("OVERLAP|times of one day must not overlap"));
        }
        spans.push(span);
    }
    match spans.len() {
        0 => Err(garde::Error::new("TOO_FEW|must be at least 1")),
        1..=50 => Ok(()),
        _ => Err(garde::Error::new("TOO_MANY|must be at most 50")),
    }
}

/// The rule for a list of days.
pub fn days<T: schema::valid::Texts>(value: &T, _: &()) -> schema::valid::Valid {
    let Some(texts) = value.texts() else { return Ok(()) };
    if texts.len() > 400 {
        return Err(garde::Error::new("TOO_MANY|must be at most 400"));
    }
    match texts.iter().all(|text| text.len() == 10 && text.parse::<NaiveDate>().is_ok()) {
        true => Ok(()),
        false => Err(garde::Error::new("INVALID_DATE|must be days, such as 2026-12-25")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Hours, Span};
    use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
    use chrono_tz::Tz;

    /// A small generator, so that a failure can be made again.
    struct Dice(u64);
    impl Dice {
        fn below(&mut self, most: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % most
        }
    }

    /// Whether work goes on in the minute that begins here, by nothing but the local clock.
    fn working(hours: &Hours, minute: DateTime<Utc>) -> bool {
        let local = minute.with_timezone(&hours.zone);
        let of_day = u16::try_from(local.hour() * 60 + local.minute()).expect("a minute of a day");
        !hours.holidays.contains(&local.date_naive())
            && hours.week.iter().any(|span| span.day == local.weekday() && (span.from..span.until).contains(&of_day))
    }

    fn simulated(hours: &Hours, from: DateTime<Utc>, minutes: i64) -> DateTime<Utc> {
        let (mut at, mut left) = (from, minutes);
        loop {
            if working(hours, at) {
                if left == 0 {
                    return at;
                }
                left -= 1;
                if left == 0 {
                    return at + TimeDelta::minutes(1);
                }
            }
            at += TimeDelta::minutes(1);
        }
    }

    fn some_hours(dice: &mut Dice) -> Hours {
        const ZONES: [Tz; 7] = [
            Tz::America__Phoenix,
            Tz::America__New_York,
            Tz::Europe__London,
            Tz::Australia__Lord_Howe,
            Tz::Asia__Kathmandu,
            Tz::Africa__Cairo,
            Tz::America__Santiago,
        ];
        let mut week = Vec::new();
        for (name, _) in super::DAYS {
            let text = match dice.below(6) {
                0 => continue,
                1 => format!("{name} 00:00-24:00"),
                2 => format!("{name} 00:00-03:30"),
                3 => format!("{name} 01:15-02:45"),
                _ => format!("{name} 09:00-17:00"),
            };
            week.push(text.parse::<Span>().expect("a span"));
            if dice.below(3) == 0 && text.ends_with("09:00-17:00") {
                week.push(format!("{name} 22:00-24:00").parse().expect("a span"));
            }
        }
        if week.is_empty() {
            week.push("WED 23:00-24:00".parse().expect("a span"));
        }
        let holiday = |dice: &mut Dice| {
            NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day") + TimeDelta::days(i64::try_from(dice.below(1_200)).expect("few"))
        };
        Hours {
            zone: ZONES[usize::try_from(dice.below(7)).expect("few")],
            week,
            holidays: (0..60).map(|_| holiday(dice)).collect(),
        }
    }

    /// Beginnings near a change of the clock, a leap day and the turn of a year come as often as any others.
    fn some_moment(dice: &mut Dice) -> DateTime<Utc> {
        const NEAR: [&str; 8] = [
            "2024-02-28T12:00:00Z",
            "2024-03-10T06:00:00Z",
            "2024-10-27T00:00:00Z",
            "2024-11-03T05:00:00Z",
            "2024-12-31T20:00:00Z",
            "2025-04-05T14:00:00Z",
            "2025-04-24T21:00:00Z",
            "2025-09-06T03:00:00Z",
        ];
        let near: DateTime<Utc> = NEAR[usize::try_from(dice.below(8)).expect("few")].parse().expect("a time");
        let away = if dice.below(2) == 0 { dice.below(2_000) } else { dice.below(500_000) };
        near + TimeDelta::minutes(i64::try_from(away).expect("few"))
    }

    #[test]
    fn work_ends_when_a_clock_on_the_wall_says_so() {
        let mut dice = Dice(7);
        for round in 0..400 {
            let (hours, from) = (some_hours(&mut dice), some_moment(&mut dice));
            let most = if dice.below(4) == 0 { 6_000 } else { 600 };
            let minutes = i64::try_from(dice.below(most)).expect("few");
            let ends = hours.after(from, TimeDelta::minutes(minutes)).expect("an end");
            assert_eq!(ends, simulated(&hours, from, minutes), "round {round}: {minutes} minutes from {from} in {hours:?}");
            // And back: so much was done until then, and no more.
            assert_eq!(hours.between(from, ends), TimeDelta::minutes(minutes), "round {round}");
        }
    }

    #[test]
    fn no_work_is_done_where_there_is_no_time_for_it() {
        let day = "2026-01-05".parse::<NaiveDate>().expect("a day");
        let year = (0..366 * 6).map(|days| day + TimeDelta::days(days));
        let hours = Hours { zone: Tz::UTC, week: vec!["MON 09:00-10:00".parse().expect("a span")], holidays: year.collect() };
        assert_eq!(hours.after("2026-01-05T00:00:00Z".parse().expect("a time"), TimeDelta::minutes(1)), None);
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["MON 09:00-17:30", "SUN 00:00-24:00"] {
            assert_eq!(text.parse::<Span>().map(|span| span.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "MON",
            "MON 9:00-17:00",
            "MON 17:00-09:00",
            "MON 09:00-09:00",
            "MON 09:00-24:01",
            "MON 09:60-10:00",
            "ÄÖ 09:00-10:00",
            "MON 09:00–10:00",
        ] {
            assert_eq!(text.parse::<Span>(), Err(()), "{text}");
        }
        let week: Vec<String> = ["MON 09:00-12:00", "MON 11:00-14:00"].map(str::to_owned).to_vec();
        assert!(super::week(&week, &()).is_err());
    }
}
