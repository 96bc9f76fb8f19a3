//! A clock for tests: a file holds the time, so that a test moves the clocks of its processes as it likes.

use chrono::{DateTime, Utc};
use schema::Clock;
use std::path::PathBuf;

pub struct ClockFile(PathBuf);

impl ClockFile {
    pub fn read(path: PathBuf) -> Result<ClockFile, String> {
        let clock = ClockFile(path);
        match clock.time() {
            Some(_) => Ok(clock),
            None => Err(format!("{} holds no time in microseconds", clock.0.display())),
        }
    }

    fn time(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(std::fs::read_to_string(&self.0).ok()?.trim().parse().ok()?)
    }
}

impl Clock for ClockFile {
    fn now(&self) -> DateTime<Utc> {
        self.time().expect("the file held a time when the gateway began, and tests replace it whole")
    }
}
