//! Rates: how much may be asked for in a while, by an address, a client, a person in an organization, and an organization. Each has a
//! bucket that fills steadily; work is paid for in rows that may be touched. Replicas count for themselves, and settle once a second
//! what the others have let through: nobody waits for that.

use crate::{Caller, Code, Error, OrganizationId, Result};
use opentelemetry::{KeyValue, global, metrics::Counter};
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// The price of any request: a token, its rights, an answer.
pub const REQUEST: u64 = 50;
/// The price of a mutation: a decision, an operation, a workflow, an event.
pub const MUTATION: u64 = 100;

/// The bytes of a document that are parsed for the price of a row.
const BYTES: u64 = 16;

/// Whether rates are kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateMode {
    Off,
    Measure,
    Enforce,
}

impl RateMode {
    /// A mode as a setting says it.
    pub fn parse(text: &str) -> Option<RateMode> {
        match text {
            "off" => Some(RateMode::Off),
            "measure" => Some(RateMode::Measure),
            "enforce" => Some(RateMode::Enforce),
            _ => None,
        }
    }
}

/// So much a second, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub second: u32,
    pub burst: u32,
}

/// The organizations in which a person may spend all that is theirs there at the same time.
const FEW: u32 = 3;

impl Rate {
    fn times(self, many: u32) -> Rate {
        Rate { second: self.second.saturating_mul(many), burst: self.burst.saturating_mul(many) }
    }

    /// A rate as a setting says it: `20000/400000`.
    pub fn parse(text: &str) -> Option<Rate> {
        let (second, burst) = text.split_once('/')?;
        let rate = Rate { second: second.parse().ok()?, burst: burst.parse().ok()? };
        (rate.second > 0 && rate.burst >= rate.second).then_some(rate)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    pub mode: RateMode,
    /// By the address that a request comes from, before anybody is known.
    pub address: Rate,
    /// By the client that a token was given to.
    pub client: Rate,
    /// By a person, in one organization.
    pub principal: Rate,
    pub organization: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        let rate = |second, burst| Rate { second, burst };
        RateLimits {
            mode: RateMode::Enforce,
            address: rate(100_000, 2_000_000),
            client: rate(200_000, 4_000_000),
            principal: rate(20_000, 400_000),
            organization: rate(50_000, 1_000_000),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Level {
    Address,
    Client,
    Principal,
    /// A person in all organizations together.
    Person,
    Organization,
}

/// The name of a bucket, the same on all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Payer(Level, u128);

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Address => "address",
            Level::Client => "client",
            Level::Principal => "principal",
            Level::Person => "person",
            Level::Organization => "organization",
        }
    }
}

impl Payer {
    pub fn address(address: IpAddr) -> Payer {
        let number = match address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            // Whoever has one address of IPv6 has a network of them.
            IpAddr::V6(address) => address.to_bits() & (u128::MAX << 64),
        };
        Payer(Level::Address, number)
    }

    fn client(client: u64) -> Payer {
        Payer(Level::Client, client.into())
    }

    fn principal(caller: &Caller, organization: Option<OrganizationId>) -> Payer {
        let principal = caller.principal.0;
        let both = organization.map(|organization| Uuid::new_v5(&principal, organization.0.as_bytes()));
        Payer(Level::Principal, both.unwrap_or(principal).as_u128())
    }

    fn organization(organization: OrganizationId) -> Payer {
        Payer(Level::Organization, organization.0.as_u128())
    }

    /// The name as the replicas tell it to one another.
    pub fn key(self) -> Uuid {
        Uuid::new_v5(&Uuid::from_u128(self.1), self.0.as_str().as_bytes())
    }
}

struct Bucket {
    /// The amount that is left. It can be less than nothing, since work is paid for before its price is compared.
    left: f64,
    at: Instant,
    /// All that was paid here.
    paid: u64,
    /// The part of it that the others know.
    told: u64,
    /// All that was paid to the others, as far as it was counted here. None: they were not asked yet.
    elsewhere: Option<u64>,
}

/// A bucket's count as it is told to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    pub payer: Payer,
    /// All that was paid since the bucket was last full.
    pub paid: u64,
    /// The amount by which it is not full.
    pub missing: u64,
}

/// The same of all other replicas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The sum of their counts.
    pub paid: u64,
    /// The amount that is missing where most is.
    pub missing: u64,
}

const SHARDS: usize = 16;

pub struct Rates {
    limits: RateLimits,
    shards: [Mutex<HashMap<Payer, Bucket>>; SHARDS],
    hash: RandomState,
    /// The shard that is told first.
    turn: AtomicUsize,
}

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("hestami")
        .u64_counter("hestami.rates.refused")
        .with_description("Requests beyond a rate, by whose it is, and whether they were refused")
        .build()
});

impl Rates {
    pub fn new(limits: RateLimits) -> Rates {
        Rates { limits, shards: Default::default(), hash: RandomState::new(), turn: AtomicUsize::new(0) }
    }

    fn shard<T>(&self, payer: Payer, work: impl FnOnce(&mut HashMap<Payer, Bucket>) -> T) -> T {
        let at = usize::try_from(self.hash.hash_one(payer) % SHARDS as u64).unwrap_or_default();
        work(&mut self.shards[at].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rate(&self, level: Level) -> Rate {
        match level {
            Level::Address => self.limits.address,
            Level::Client => self.limits.client,
            Level::Principal => self.limits.principal,
            // Somebody who founds many organizations has no more than in a few of them.
            Level::Person => self.limits.principal.times(FEW),
            Level::Organization => self.limits.organization,
        }
    }

    /// Pays for a request of an address, before anybody is known. It may be as dear as several.
    pub fn address(&self, address: IpAddr, times: u64) -> Result<()> {
        self.pay(Payer::address(address), REQUEST * times)
    }

    /// Pays for a request of a person, before it is known whether they may act where they say.
    pub fn person(&self, caller: &Caller) -> Result<()> {
        self.pay(Payer::principal(caller, None), REQUEST)
    }

    /// Pays for the reading of a text of so many bytes, whoever it is read for.
    pub fn text(&self, caller: &Caller, bytes: usize) -> Result<()> {
        self.pay(Payer::principal(caller, None), bytes as u64 / BYTES)
    }

    /// Pays for a caller's work, in the organization that it may act in: first from its own, so that whoever is refused spends nothing
    /// of what others share.
    pub fn caller(&self, caller: &Caller, organization: Option<OrganizationId>, price: u64) -> Result<()> {
        self.pay(Payer::principal(caller, organization), price)?;
        self.pay(Payer(Level::Person, caller.principal.0.as_u128()), price)?;
        if let Some(organization) = organization {
            self.organization(organization, price)?;
        }
        caller.client.map_or(Ok(()), |client| self.pay(Payer::client(client), price))
    }

    fn organization(&self, organization: OrganizationId, price: u64) -> Result<()> {
        self.pay(Payer::organization(organization), price)
    }

    fn pay(&self, payer: Payer, price: u64) -> Result<()> {
        if self.limits.mode == RateMode::Off {
            return Ok(());
        }
        let rate = self.rate(payer.0);
        let (second, burst) = (f64::from(rate.second), f64::from(rate.burst));
        let now = Instant::now();
        let left = self.shard(payer, |buckets| {
            if buckets.len() >= 4_096 && buckets.len().is_power_of_two() {
                buckets.retain(|payer, bucket| !self.full(*payer, bucket, now));
            }
            let bucket =
                buckets.entry(payer).or_insert_with(|| Bucket { left: burst, at: now, paid: 0, told: 0, elsewhere: None });
            bucket.fill(second, burst, now);
            let left = bucket.left;
            if left > 0.0 {
                bucket.left -= price as f64;
                bucket.paid += price;
            }
            left
        });
        if left > 0.0 {
            return Ok(());
        }
        let enforced = self.limits.mode == RateMode::Enforce;
        REFUSED.add(1, &[KeyValue::new("level", payer.0.as_str()), KeyValue::new("enforced", enforced)]);
        if !enforced {
            return Ok(());
        }
        let wait = Duration::from_secs_f64(((1.0 - left) / second).clamp(1.0, 3_600.0).ceil());
        Err(Error::new(Code::RATE_LIMITED).retry_after(wait).details(serde_json::json!({ "level": payer.0.as_str() })))
    }

    fn full(&self, payer: Payer, bucket: &mut Bucket, now: Instant) -> bool {
        let rate = self.rate(payer.0);
        bucket.fill(rate.second.into(), rate.burst.into(), now);
        bucket.left >= f64::from(rate.burst)
    }

    /// The counts that the others do not know yet. Buckets that are full again are forgotten.
    pub fn untold(&self, most: usize) -> Vec<Paid> {
        let now = Instant::now();
        let mut untold = Vec::new();
        // Not always the same ones first.
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for at in 0..SHARDS {
            let shard = &self.shards[(first + at) % SHARDS];
            let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.retain(|payer, bucket| {
                let rate = self.rate(payer.0);
                bucket.fill(rate.second.into(), rate.burst.into(), now);
                let missing = (f64::from(rate.burst) - bucket.left).max(0.0) as u64;
                if untold.len() < most && bucket.paid > bucket.told {
                    untold.push(Paid { payer: *payer, paid: bucket.paid, missing });
                }
                bucket.left < f64::from(rate.burst)
            });
        }
        untold
    }

    /// Counts all that was paid to the others since they were last asked; when they are first asked, all that is missing there.
    pub fn told(&self, told: &[Paid], elsewhere: &HashMap<Uuid, Elsewhere>) {
        for Paid { payer, paid, .. } in told {
            let others = elsewhere.get(&payer.key()).copied().unwrap_or_default();
            self.shard(*payer, |buckets| {
                let Some(bucket) = buckets.get_mut(payer) else { return };
                bucket.told = *paid;
                let new = match bucket.elsewhere {
                    Some(known) => others.paid.saturating_sub(known),
                    None => others.missing,
                };
                bucket.elsewhere = Some(others.paid);
                bucket.left = (bucket.left - new as f64).max(-f64::from(self.rate(payer.0).burst));
            });
        }
    }
}

impl Bucket {
    fn fill(&mut self, second: f64, burst: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * second).min(burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(mode: RateMode, second: u32, burst: u32) -> RateLimits {
        let rate = Rate { second, burst };
        RateLimits { mode, address: rate, client: rate, principal: rate, organization: rate }
    }

    fn organization() -> OrganizationId {
        OrganizationId(Uuid::from_u128(7))
    }

    #[test]
    fn a_burst_is_free_and_then_one_waits() {
        let rates = Rates::new(limits(RateMode::Enforce, 1, 1_000));
        let mut paid = 0;
        let refused = loop {
            match rates.organization(organization(), 100) {
                Ok(()) => paid += 1,
                Err(refused) => break refused,
            }
        };
        // The last one may go a little below nothing.
        assert!((10..=11).contains(&paid), "{paid}");
        assert_eq!(refused.code(), Code::RATE_LIMITED);
        assert!(refused.wait().is_some_and(|wait| wait >= Duration::from_secs(1)));
        rates.organization(OrganizationId(Uuid::from_u128(8)), 100).expect("another one's");
    }

    #[test]
    fn nobody_is_refused_by_a_measure() {
        for mode in [RateMode::Measure, RateMode::Off] {
            let rates = Rates::new(limits(mode, 1, 1));
            for _ in 0..10 {
                rates.organization(organization(), 100).expect("let through");
            }
        }
    }

    /// Two replicas are off by no more than either lets through between two settlements.
    #[test]
    fn replicas_settle_what_each_let_through() {
        let replicas = [Rates::new(limits(RateMode::Enforce, 1, 1_000)), Rates::new(limits(RateMode::Enforce, 1, 1_000))];
        let mut paid: [HashMap<Uuid, Elsewhere>; 2] = Default::default();
        let mut through = 0;
        for round in 0..10 {
            for replica in &replicas {
                for _ in 0..3 {
                    through += u64::from(replica.organization(organization(), 100).is_ok()) * 100;
                }
            }
            for (at, replica) in replicas.iter().enumerate() {
                let untold = replica.untold(100);
                for Paid { payer, paid: all, missing } in &untold {
                    paid[at].insert(payer.key(), Elsewhere { paid: *all, missing: *missing });
                }
                replica.told(&untold, &paid[1 - at]);
            }
            assert!(through <= 1_000 + 600 + 100, "{through} after round {round}");
        }
        assert!(through >= 1_000, "{through}");
    }

    #[test]
    fn a_full_bucket_is_forgotten() {
        let rates = Rates::new(limits(RateMode::Enforce, 1_000_000, 1_000_000));
        rates.organization(organization(), 1).expect("paid");
        std::thread::sleep(Duration::from_millis(2));
        rates.untold(100);
        assert!(rates.shards.iter().all(|shard| shard.lock().expect("no panic").is_empty()));
    }
}
