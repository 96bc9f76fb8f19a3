use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    pub timeout: Duration,
    /// The interval at which the sentinel is asked.
    pub sentinel: Duration,
    /// The shortest and the longest life of a plan. Within these limits a plan lives twice as long as the sentinel had named the
    /// same policies when the plan was asked for: of several PDPs behind one address, one may change its policies first or last.
    /// From half of its life on a plan is asked for again, beside those who use it. A plan costs the PDP milliseconds, so a short
    /// life is dear, most of all where each person has plans of their own.
    pub life: [Duration; 2],
}

impl Settings {
    pub fn new(url: impl Into<String>) -> Self {
        Settings {
            url: url.into(),
            timeout: Duration::from_secs(2),
            sentinel: Duration::from_secs(1),
            life: [30, 600].map(Duration::from_secs),
        }
    }

    /// The time after the sentinel's last answer for which plans are still used. An answer that is late on a busy machine says
    /// nothing of policies.
    pub(crate) fn patience(&self) -> Duration {
        self.sentinel * 5
    }
}
