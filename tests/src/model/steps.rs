//! Steps that are played: each is done to the gateway and noted in the model.

use super::{Delegation, Grant, House, PEOPLE, Play, Trustee};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

impl Play {
    async fn ends(&mut self) -> (Option<u64>, Value) {
        if self.random.below(2) == 0 {
            return (None, Value::Null);
        }
        let ends = self.model.now + 1 + self.random.below(60) as u64;
        let at = schema::Clock::now(&*self.world.clock) + Duration::from_secs(ends - self.model.now);
        (Some(ends), json!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)))
    }

    pub(super) async fn step(&mut self) {
        let owner = self.random.below(2);
        let home = self.owners[owner];
        match self.random.below(10) {
            0 => self.build(owner).await,
            1 if !self.model.houses.is_empty() => {
                let at = self.random.below(self.model.houses.len());
                let house = &mut self.model.houses[at];
                let verb = if house.grouped { "removeProperty" } else { "addProperty" };
                let body = json!({ "id": self.portfolios[house.owner], "propertyId": house.id });
                let owner = house.owner;
                house.grouped = !house.grouped;
                self.world.call(&self.people[owner], self.owners[owner], &format!("portfolio/v1/{verb}"), body).await.ok();
                self.done.push(format!("{verb} {at}"));
            }
            2 => {
                let (desk, acts) = (self.random.below(2), self.random.below(2) == 0);
                let (ends, ends_at) = self.ends().await;
                let scope = if acts { "ACT" } else { "READ" };
                let input = json!({ "kind": "ENGAGEMENT", "granteeOrganizationId": self.desks[desk], "scopes": [scope], "endsAt": ends_at });
                let id = self.world.engage_by(&self.people[owner], home, input).await["id"].clone();
                self.model.grants.push(Grant { id, owner, desk, acts, ends, revoked: false, version: 2 });
                self.done.push(format!("{owner} engages desk {desk}: {scope} until {ends:?}"));
            }
            3 if !self.model.grants.is_empty() => {
                let at = self.random.below(self.model.grants.len());
                let narrow = self.random.below(2) == 0;
                let open = !narrow && !self.model.grants[at].revoked;
                let counts = open || self.model.counts(&self.model.grants[at]);
                let grant = &mut self.model.grants[at];
                let (verb, mut body) = if narrow { ("narrow", json!({ "scopes": ["READ"] })) } else { ("revoke", json!({})) };
                body["id"] = grant.id.clone();
                body["version"] = json!(grant.version);
                let by = (&self.people[grant.owner], self.owners[grant.owner]);
                let answer = self.world.call(by.0, by.1, &format!("accessGrant/v1/{verb}"), body).await;
                if counts {
                    answer.ok();
                    grant.version += 1;
                    grant.acts &= !narrow;
                    grant.revoked |= !narrow;
                } else {
                    answer.refused("ACCESS_GRANT_ENDED");
                }
                self.done.push(format!("{verb} grant {at}"));
            }
            4 => {
                let who = 4 + self.random.below(PEOPLE - 4);
                let at = self.model.trustees.iter().position(|t| t.who == who && t.owner == owner && !t.gone);
                match at {
                    Some(at) => {
                        let body = json!({ "id": self.model.trustees[at].membership, "version": 2 });
                        self.world.call(&self.people[owner], home, "membership/v1/revoke", body).await.ok();
                        self.model.trustees[at].gone = true;
                        // Their delegations end with the membership, and do not come back with them.
                        for root in 0..self.model.delegations.len() {
                            if self.model.delegations[root].by == Ok(who) && self.model.delegations[root].owner == owner {
                                self.model.delegations[root].revoked = true;
                                self.end_below(root);
                            }
                        }
                        self.done.push(format!("{who} is trustee of {owner} no more"));
                    }
                    None => {
                        let membership =
                            self.world.join(&self.people[owner], home, &self.people[who], "TRUSTEE").await["id"].clone();
                        self.model.trustees.push(Trustee { who, owner, membership, gone: false });
                        self.done.push(format!("{who} is trustee of {owner}"));
                    }
                }
            }
            5 | 6 => self.delegate(owner).await,
            7 if !self.model.delegations.is_empty() => self.reduce().await,
            _ => {
                let seconds = 1 + self.random.below(20) as u64;
                self.world.clock.advance(Duration::from_secs(seconds));
                self.model.now += seconds;
                self.done.push(format!("{seconds} s later"));
            }
        }
    }

    pub(super) async fn build(&mut self, owner: usize) {
        let line = format!("{} Street", self.model.houses.len());
        let id = self.world.create_property(&self.people[owner], self.owners[owner], &line).await["id"].clone();
        self.model.houses.push(House { id, owner, grouped: false });
        self.done.push(format!("house {line} of {owner}"));
    }

    async fn delegate(&mut self, owner: usize) {
        let theirs: Vec<usize> = (0..self.model.houses.len()).filter(|at| self.model.houses[*at].owner == owner).collect();
        let holder = 2 + self.random.below(PEOPLE - 2);
        // The grantor is one who stands for the owner, or one who holds a delegation and passes it on.
        let mut by = Ok(owner);
        let mut who = owner;
        if self.random.below(2) == 0 {
            let held: Vec<usize> =
                (0..self.model.delegations.len()).filter(|at| self.model.delegations[*at].owner == owner).collect();
            if !held.is_empty() {
                let at = held[self.random.below(held.len())];
                by = Err(at);
                who = self.model.delegations[at].holder;
            }
        } else if let Some(trustee) = self.model.trustees.iter().find(|t| t.owner == owner && !t.gone) {
            by = Ok(trustee.who);
            who = trustee.who;
        }
        if holder == who {
            return;
        }
        let houses: BTreeSet<usize> = theirs.iter().copied().filter(|_| self.random.below(3) == 0).collect();
        let portfolio = self.random.below(3) == 0;
        let (updates, passes_on) = (self.random.below(2) == 0, self.random.below(2) == 0);
        let (ends, ends_at) = self.ends().await;
        if houses.is_empty() && !portfolio {
            return;
        }
        let ids: Vec<&Value> = houses.iter().map(|at| &self.model.houses[*at].id).collect();
        let mut input = json!({
            "holderId": self.principals[holder], "propertyIds": ids, "actions": [if updates { "UPDATE" } else { "READ" }],
            "mayDelegate": passes_on, "endsAt": ends_at,
        });
        if portfolio {
            input["portfolioIds"] = json!([self.portfolios[owner]]);
        }
        if let Err(parent) = by {
            input["parentId"] = self.model.delegations[parent].id.clone();
        }
        let mut answer = self.world.call(&self.people[who], self.owners[owner], "delegation/v1/grant", input).await;
        if answer.status == 200 {
            answer.body["result"] = self.world.accepted(answer.ok().clone()).await;
        }
        self.done.push(format!("{who} of {owner} delegates {houses:?} portfolio {portfolio} updates {updates} to {holder} by {by:?} until {ends:?}: {}", answer.code()));
        let (mut by_name, mut while_grouped, mut ends) = (houses.clone(), BTreeSet::new(), ends);
        let may = match by {
            Ok(root) => self.model.stands_for_owner(root, owner),
            Err(at) => {
                let parent = &self.model.delegations[at];
                by_name = houses.iter().copied().filter(|house| parent.houses.contains(house)).collect();
                while_grouped = &houses - &by_name;
                let covered = while_grouped
                    .iter()
                    .all(|house| self.model.houses[*house].grouped && (parent.portfolio || parent.while_grouped.contains(house)));
                let inside = ends.is_none_or(|mine| parent.ends.is_none_or(|theirs| mine <= theirs));
                ends = ends.or(parent.ends);
                self.model.holds(parent)
                    && (parent.passes_on || self.model.stands_for_owner(who, owner))
                    && covered
                    && inside
                    && (!portfolio || parent.portfolio)
                    && (!updates || parent.updates)
            }
        };
        assert_eq!(answer.status == 200, may, "{:#?}\n{:#}", self.done, answer.body);
        if may {
            let id = answer.ok()["id"].clone();
            self.model.delegations.push(Delegation {
                id,
                owner,
                holder,
                by,
                houses: by_name,
                while_grouped,
                portfolio,
                updates,
                passes_on,
                ends,
                revoked: false,
                version: 1,
            });
        }
    }

    async fn reduce(&mut self) {
        let at = self.random.below(self.model.delegations.len());
        let versions = self.versions().await;
        let (owner, open) = (self.model.delegations[at].owner, self.open(at));
        let row = &mut self.model.delegations[at];
        row.version = versions[at];
        let (verb, more) = match self.random.below(3) {
            0 => ("revoke", json!({})),
            1 => ("narrow", json!({ "actions": ["READ"] })),
            _ => ("narrow", json!({ "mayDelegate": false })),
        };
        let mut body = more.clone();
        body["id"] = row.id.clone();
        body["version"] = json!(row.version);
        let answer = self.world.call(&self.people[owner], self.owners[owner], &format!("delegation/v1/{verb}"), body).await;
        self.done.push(format!("{verb} delegation {at} {more}: {}", answer.code()));
        if open {
            answer.ok();
            let row = &mut self.model.delegations[at];
            row.revoked |= verb == "revoke";
            row.updates &= more["actions"].is_null();
            // One that may not be passed on keeps whatever the owner gave by it.
            let cut = verb == "revoke" || (row.passes_on && !more["mayDelegate"].is_null());
            row.passes_on &= more["mayDelegate"].is_null();
            if cut {
                self.end_below(at);
            }
        } else {
            // The timer that notes the end may come in between, and makes a version.
            assert!(["DELEGATION_ENDED", "VERSION_CONFLICT"].contains(&answer.code()), "{:#}", answer.body);
        }
    }

    fn end_below(&mut self, at: usize) {
        for child in 0..self.model.delegations.len() {
            if self.model.delegations[child].by == Err(at) && !self.model.delegations[child].revoked {
                self.model.delegations[child].revoked = true;
                self.end_below(child);
            }
        }
    }

    /// Whether a delegation's own row is open: not taken back, and in its term.
    fn open(&self, at: usize) -> bool {
        let row = &self.model.delegations[at];
        !row.revoked && row.ends.is_none_or(|ends| ends > self.model.now)
    }

    /// The versions of all delegations, from the rows: the timer makes versions, too.
    async fn versions(&self) -> Vec<i32> {
        let mut versions = Vec::new();
        for row in &self.model.delegations {
            let version = sqlx::query_scalar("SELECT version FROM delegation WHERE id::text = $1").bind(row.id.as_str());
            versions.push(version.fetch_one(&self.world.sql).await.expect("a version"));
        }
        versions
    }
}
