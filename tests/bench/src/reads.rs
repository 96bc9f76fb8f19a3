//! Reads from outside: the gateway, PostGraphile on the same rows, and the limit.

use crate::{
    Run, SMALL,
    ground::{self, Asker, Ground, PORTFOLIOS},
    limit::Direct,
    load::{Connection, Figures, closed, post},
    processes::{Meter, Process},
    report::{Cell, Report},
};
use hyper::body::Bytes;
use serde_json::{Value, json};
use server::Fault;
use std::{net::SocketAddr, sync::Arc};
use uuid::Uuid;

/// What is asked, in the words of each side.
pub struct Question {
    pub name: &'static str,
    pub about: &'static str,
    pub gateway: &'static str,
    pub peer: &'static str,
}

impl Question {
    /// Whether it is asked by hand-written SQL, too.
    fn limited(&self) -> bool {
        self.name.starts_with('R')
    }
}

const NESTED: Question = Question {
    name: "R1",
    about: "20 portfolios × 5 properties × 3 owners",
    gateway: "{ portfolios(first: 20) { edges { node { id name position properties(first: 5) { edges { node {
        id kind status address { line1 locality } ownerships { id holderName capacity shareBasisPoints startsOn } } } } } } } }",
    peer: "query ($org: UUID!) { allPortfolios(first: 20, condition: { organizationId: $org }, orderBy: [POSITION_ASC]) { edges { node {
        rowId name position portfolioPropertiesByOrganizationIdAndPortfolioId(first: 5) { nodes { propertyByOrganizationIdAndPropertyId {
          rowId kind status line1 locality ownershipsByOrganizationIdAndPropertyId(first: 3) { nodes {
            rowId holderName capacity shareBasisPoints startsOn } } } } } } } } }",
};

const ONE: Question = Question {
    name: "R2",
    about: "one property with its portfolio and owners",
    gateway: "query ($id: ID!) { property(id: $id) { id kind status address { line1 locality } portfolios { id name }
        ownerships { id holderName capacity shareBasisPoints startsOn } } }",
    peer: "query ($org: UUID!, $id: UUID!) { propertyByOrganizationIdAndRowId(organizationId: $org, rowId: $id) {
        rowId kind status line1 locality
        portfolioPropertiesByOrganizationIdAndPropertyId { nodes { portfolioByOrganizationIdAndPortfolioId { rowId name } } }
        ownershipsByOrganizationIdAndPropertyId { nodes { rowId holderName capacity shareBasisPoints startsOn } } } }",
};

const LIST: Question = Question {
    name: "R3",
    about: "50 properties, filtered and ordered, first page",
    gateway: "query ($after: String) { properties(first: 50, after: $after, filter: { status: [ACTIVE], kind: [SINGLE_FAMILY] },
        orderBy: ADDRESS_ASC) { edges { node { id kind status updatedAt address { line1 locality } } } pageInfo { endCursor hasNextPage } } }",
    peer: "query ($org: UUID!, $after: Cursor) { allProperties(first: 50, after: $after,
        condition: { organizationId: $org, status: \"ACTIVE\", kind: \"SINGLE_FAMILY\" }, orderBy: [LINE1_ASC]) {
        edges { node { rowId kind status updatedAt line1 locality } } pageInfo { endCursor hasNextPage } } }",
};

/// Someone's question, ready to be sent.
pub struct Prepared {
    asker: Asker,
    authorization: String,
    organization: String,
    body: Bytes,
    /// For the limit.
    property: Uuid,
    after: Option<(String, Uuid)>,
}

impl Prepared {
    pub fn new(asker: &Asker, query: &str, variables: Value) -> Result<Prepared, Fault> {
        let body = Bytes::from(serde_json::to_vec(&json!({ "query": query, "variables": variables }))?);
        let (authorization, organization) = (format!("Bearer {}", asker.token), asker.organization.to_string());
        Ok(Prepared { asker: asker.clone(), authorization, organization, body, property: Uuid::nil(), after: None })
    }

    pub async fn ask(&self, connection: &mut Connection) -> Result<Bytes, Fault> {
        let headers = [("authorization", self.authorization.as_str()), ("x-organization-id", self.organization.as_str())];
        connection.ask(post("/graphql", &headers, self.body.clone())?).await
    }
}

async fn load(addresses: &[SocketAddr], questions: &[Prepared], meter: &Meter, many: usize, run: Run) -> Result<Figures, Fault> {
    let workers = Connection::several(addresses, many).await?;
    let call = |mut connection: Connection, n: u64| async move {
        questions[n as usize % questions.len()].ask(&mut connection).await?;
        Ok(connection)
    };
    closed(workers, run.time, call, || meter.read()).await
}

/// Everyone has asked before, as they have in a process that has run for a while.
async fn warm(addresses: &[SocketAddr], questions: &[Prepared], many: usize) -> Result<(), Fault> {
    let workers = Connection::several(addresses, questions.len().min(many)).await?;
    let some = &questions[..questions.len().min(SMALL as usize)];
    let all = workers.into_iter().enumerate().map(async |(first, mut connection)| {
        for question in some.iter().skip(first).step_by(many) {
            question.ask(&mut connection).await?;
        }
        Ok::<_, Fault>(())
    });
    futures_util::future::try_join_all(all).await.map(drop)
}

async fn direct(question: &Question, questions: &[Prepared], directs: Vec<Arc<Direct>>, run: Run) -> Result<Figures, Fault> {
    let call = |direct: Arc<Direct>, n: u64| async move {
        let prepared = &questions[n as usize % questions.len()];
        match question.name {
            "R1" => direct.nested(&prepared.asker).await?,
            "R2" => direct.one(&prepared.asker, prepared.property).await?,
            _ => direct.list(&prepared.asker, prepared.after.as_ref()).await?,
        }
        Ok(direct)
    };
    closed(directs, run.time, call, || (0.0, 0.0)).await
}

/// The cursor of the 20th page, by walking there.
async fn twentieth(address: SocketAddr, asker: &Asker, query: &str, list: &str, variables: Value) -> Result<Value, Fault> {
    let mut connection = Connection::open(address).await?;
    let mut after = Value::Null;
    for _ in 1..20 {
        let mut variables = variables.clone();
        variables["after"] = after;
        let answer: Value = serde_json::from_slice(&Prepared::new(asker, query, variables)?.ask(&mut connection).await?)?;
        after = answer["data"][list]["pageInfo"]["endCursor"].clone();
        if after.is_null() {
            return Err(format!("no page 20 of {list}").into());
        }
    }
    Ok(after)
}

/// PostGraphile in one process or two: whichever is faster here.
pub async fn peers(ground: &Ground, small: &[Asker], run: Run, report: &mut Report) -> Result<Vec<Process>, Fault> {
    let questions: Vec<Prepared> = small
        .iter()
        .map(|asker| Prepared::new(asker, NESTED.peer, json!({ "org": asker.organization })))
        .collect::<Result<_, _>>()?;
    let (mut peers, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        peers.push(Process::postgraphile(ground, 20).await?);
        let addresses: Vec<SocketAddr> = peers.iter().map(|peer| peer.address).collect();
        let meter = Meter::of(&peers.iter().collect::<Vec<_>>(), ground);
        load(&addresses, &questions, &meter, 8, run).await?;
        rates.push(load(&addresses, &questions, &meter, 8, run).await?.per_second);
    }
    let better = if rates[0] > rates[1] { 1 } else { 2 };
    report.line(format!(
        "PostGraphile answers R1 {:.0} times a second in one process, {:.0} in two, at 8 in flight; {better} it is.",
        rates[0], rates[1]
    ));
    while peers.len() > better {
        if let Some(peer) = peers.pop() {
            peer.stop().await?;
        }
    }
    Ok(peers)
}

pub struct Sides<'a> {
    pub ground: &'a Ground,
    pub gateway: &'a Process,
    pub peers: &'a [Process],
}

impl Sides<'_> {
    fn addresses(&self) -> Vec<SocketAddr> {
        self.peers.iter().map(|peer| peer.address).collect()
    }

    pub async fn compare(
        &self,
        question: &Question,
        about: &'static str,
        ours: &[Prepared],
        theirs: &[Prepared],
        run: Run,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let gateway = Meter::of(&[self.gateway], self.ground);
        let peers = Meter::of(&self.peers.iter().collect::<Vec<_>>(), self.ground);
        let here = [self.gateway.address];
        warm(&here, ours, 8).await?;
        warm(&self.addresses(), theirs, 8).await?;
        for many in run.in_flight {
            let first = load(&here, ours, &gateway, *many, run).await?;
            let peer = load(&self.addresses(), theirs, &peers, *many, run).await?;
            let limit = if question.limited() {
                let directs: Vec<_> = Direct::several(self.ground, *many).await?.into_iter().map(Arc::new).collect();
                direct(question, ours, directs.clone(), run.warm()).await?;
                Some(direct(question, ours, directs, run).await?)
            } else {
                None
            };
            let second = load(&here, ours, &gateway, *many, run).await?;
            let cell =
                Cell { name: question.name, about, in_flight: *many, gateway: first.middle(second), peer: Some(peer), limit };
            report.cell(cell);
        }
        Ok(())
    }
}

pub async fn run(sides: &Sides<'_>, small: &[Asker], large: &[Asker], run: Run, report: &mut Report) -> Result<(), Fault> {
    let all = |askers: &[Asker], query: &str, variables: &dyn Fn(&Asker) -> Value| {
        askers.iter().map(|asker| Prepared::new(asker, query, variables(asker))).collect::<Result<Vec<_>, _>>()
    };
    let org = |asker: &Asker| json!({ "org": asker.organization });
    let nobody = |_: &Asker| json!({});
    sides
        .compare(&NESTED, NESTED.about, &all(small, NESTED.gateway, &nobody)?, &all(small, NESTED.peer, &org)?, run, report)
        .await?;

    let (ours, theirs) = houses(small)?;
    sides.compare(&ONE, ONE.about, &ours, &theirs, run, report).await?;

    sides.compare(&LIST, LIST.about, &all(large, LIST.gateway, &nobody)?, &all(large, LIST.peer, &org)?, run, report).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for asker in large {
        let after = twentieth(sides.gateway.address, asker, LIST.gateway, "properties", json!({})).await?;
        let place = place(sides.ground, asker).await?;
        ours.push(Prepared { after: Some(place), ..Prepared::new(asker, LIST.gateway, json!({ "after": after }))? });
        let variables = json!({ "org": asker.organization });
        let after = twentieth(sides.peers[0].address, asker, LIST.peer, "allProperties", variables.clone()).await?;
        let variables = json!({ "org": asker.organization, "after": after });
        theirs.push(Prepared::new(asker, LIST.peer, variables)?);
    }
    sides.compare(&LIST, "50 properties, filtered and ordered, page 20", &ours, &theirs, run, report).await
}

/// Many properties, so that none stays where it was.
fn houses(askers: &[Asker]) -> Result<(Vec<Prepared>, Vec<Prepared>), Fault> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for k in 0..8 {
        for asker in askers {
            let property = ground::property(asker.n, (k * 13 + asker.n) % (PORTFOLIOS * ground::PROPERTIES));
            let variables = json!({ "org": asker.organization, "id": property });
            ours.push(Prepared { property, ..Prepared::new(asker, ONE.gateway, json!({ "id": property }))? });
            theirs.push(Prepared::new(asker, ONE.peer, variables)?);
        }
    }
    Ok((ours, theirs))
}

async fn alone(ground: &Ground, gateway: &Process, questions: &[Prepared], run: Run) -> Result<Figures, Fault> {
    let meter = Meter::of(&[gateway], ground);
    warm(&[gateway.address], questions, 8).await?;
    load(&[gateway.address], questions, &meter, run.in_flight[0], run).await
}

/// R2 alone.
pub async fn one(ground: &Ground, gateway: &Process, askers: &[Asker], run: Run) -> Result<Figures, Fault> {
    alone(ground, gateway, &houses(askers)?.0, run).await
}

/// R3 alone.
pub async fn list(ground: &Ground, gateway: &Process, askers: &[Asker], run: Run) -> Result<Figures, Fault> {
    let questions = askers.iter().map(|asker| Prepared::new(asker, LIST.gateway, json!({}))).collect::<Result<Vec<_>, _>>()?;
    alone(ground, gateway, &questions, run).await
}

/// One point read.
pub async fn ask_one(connection: &mut Connection, asker: &Asker, n: u64) -> Result<(), Fault> {
    let property = ground::property(asker.n, (n / 7 + asker.n) % (PORTFOLIOS * ground::PROPERTIES));
    Prepared::new(asker, ONE.gateway, json!({ "id": property }))?.ask(connection).await.map(drop)
}

pub async fn ask_list(connection: &mut Connection, asker: &Asker) -> Result<(), Fault> {
    Prepared::new(asker, LIST.gateway, json!({}))?.ask(connection).await.map(drop)
}

pub async fn ask_nested(connection: &mut Connection, asker: &Asker) -> Result<(), Fault> {
    Prepared::new(asker, NESTED.gateway, json!({}))?.ask(connection).await.map(drop)
}

/// Where the 19th page ends.
async fn place(ground: &Ground, asker: &Asker) -> Result<(String, Uuid), Fault> {
    let sql = "SELECT line1, id FROM property WHERE organization_id = $1 AND status = 'ACTIVE' AND kind = 'SINGLE_FAMILY'
        ORDER BY line1, id OFFSET 949 LIMIT 1";
    Ok(sqlx::query_as(sql).bind(asker.organization).fetch_one(&mut ground.connect().await?).await?)
}
