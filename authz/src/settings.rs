use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    pub timeout: Duration,
    /// How often the sentinel is asked.
    pub sentinel: Duration,
    /// How long a plan is used: twice as long as the sentinel had named the same policies when it was asked for, within these.
    /// Of several PDPs behind one address, one may change its policies first or last. From half of it on it is asked for
    /// again, beside those who use it. A plan costs the PDP milliseconds: a short life is dear, most of all where each person has plans of their own.
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

    /// How long after the sentinel's last word plans are used: one that is late on a busy machine says nothing of policies.
    pub(crate) fn patience(&self) -> Duration {
        self.sentinel * 5
    }
}
