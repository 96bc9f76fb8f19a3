// An owner portal in twenty screens: what each of them asks, as one would write it, with nothing but fetch.
//
//   eval "$(./target/debug/hestami token --role OWNER --env)" && node tests/clients/portal.mjs
//
// Every screen reads in one request, and a form sends one more.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

const { URL: GATEWAY, TOKEN, ORGANIZATION } = process.env;
let requests = 0;

/** One request. A mistake that a form can show stands in the payload, beside the errors of the answer. */
async function ask(query, variables = {}) {
  requests += 1;
  const response = await fetch(`${GATEWAY}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKEN}`, 'X-Organization-Id': ORGANIZATION },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

async function read(query, variables) {
  const { data, errors } = await ask(query, { organization: ORGANIZATION, ...variables });
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** Sends a form. Its key is made with the form, so that a second click does nothing twice. */
async function send(field, type, input, result = 'id version', key = randomUUID()) {
  const query = `mutation Send($key: UUID!, $input: ${type}!) {
    sent: ${field}(idempotencyKey: $key, input: $input) { replayed result { ${result} } errors { code field fieldCode message details { currentVersion freeBasisPoints } } warnings { code message others } } }`;
  return (await ask(query, { key, input })).data.sent;
}

let screens = 0;
async function screen(name, show) {
  const before = requests;
  const shown = await show();
  const asked = requests - before;
  screens += 1;
  console.log(`${String(screens).padStart(2)}. ${name} (${asked} request${asked === 1 ? '' : 's'}): ${shown}`);
  assert.ok(asked <= 2, `${name} takes ${asked} requests`);
}

const PAGE = 'pageInfo { hasNextPage endCursor }';

// The switcher, before anything else. `organizations` are those where one may do something, by a membership or a delegation; invitations and
// `delegationOffers` wait beside them, to be accepted or declined. This request needs no organization.
await screen('Who am I, and for whom', async () => {
  const { viewer } = await read('{ viewer { id displayName organizations { id name type } memberships { nodes { role organization { id name } } } invitations { id role organization { name } } } }');
  assert.ok(viewer.organizations.some(({ id }) => id === ORGANIZATION));
  return `${viewer.displayName}, ${viewer.memberships.nodes.map(({ role, organization }) => `${role} of ${organization.name}`).join(', ')}`;
});

// Counts by `first: 0`, figures, and the last that happened. `actionsAllowed` of the organization says which buttons make something new.
await screen('Home', async () => {
  const { organization } = await read(`query Home($organization: ID!) { organization(id: $organization) {
    name actionsAllowed properties(first: 0) { totalCount } portfolios(first: 0) { totalCount }
    net: report(by: STATUS, measure: NET) { rows { currency value } }
    history(first: 5) { nodes { kind at actor { displayName organization { name } } node { __typename ... on Property { address { line1 } } } } } } }`);
  assert.ok(organization.actionsAllowed.includes('PROPERTY_CREATE'));
  return `${organization.name}: ${organization.properties.totalCount} houses; last: ${organization.history.nodes[0]?.kind}`;
});

let house;
// One request for the whole table: names of associations and portfolios, shares as of a day, the money of a year, the buttons of each row. The
// search forgives case and slips of the finger, and an empty one is none. Archived houses are left out until `status` asks for them.
await screen('Houses, searched and sorted', async () => {
  const { organization } = await read(`query Houses($organization: ID!, $search: String) { organization(id: $organization) {
    properties(first: 25, filter: { search: $search }, orderBy: ADDRESS_ASC) { totalCount ${PAGE} nodes {
      id version kind status address { line1 locality region } hoa { name } portfolios { name } actionsAllowed
      ownerships(on: "2026-01-01") { holderName shareBasisPoints } financials(from: "2025-01-01", until: "2026-01-01") { totals { currency netMinor } } } } } }`, { search: '' });
  house = organization.properties.nodes[0];
  assert.ok(house.actionsAllowed.includes('PROPERTY_UPDATE'));
  return `${organization.properties.totalCount}, first ${house.address.line1}`;
});

// By its id alone, whoever owns it. What happened to it says who, for whom they acted, and by whose leave.
await screen('One house', async () => {
  const { node } = await read(`query House($id: ID!) { node(id: $id) { ... on Property {
    id version status notes parcel timeZone address { line1 line2 locality region postalCode country } organization { name } hoa { name phone }
    ownerships { holderName capacity shareBasisPoints startsOn endsOn recordedByActor { displayName } }
    financialEntries(first: 5, orderBy: BOOKED_DESC) { totalCount nodes { bookedOn kind amountMinor currency note } }
    history(first: 5) { nodes { at kind fields actor { displayName organization { name } onBehalfOf { __typename id } } } } actionsAllowed } } }`, { id: house.id });
  assert.equal(node.id, house.id);
  return `${node.address.line1}, ${node.history.nodes.length} changes shown`;
});

let fresh;
// The key is made with the form. A refused form has its mistakes in `errors` of the payload, by field; the key is not spent by that, and carries the
// mended form. `warnings` says if a house with this address is there already: show it, and leave it to the owner.
await screen('A new house, with mistakes first', async () => {
  const address = { line1: '31 Verbena Way', locality: 'Tucson', region: 'AZ', country: 'US' };
  const key = randomUUID();
  const form = { kind: 'TOWNHOUSE', timeZone: 'Phoenix', address: { ...address, line1: '' }, notes: '' };
  const refused = await send('propertyCreate', 'PropertyCreateInput', form, 'id version', key);
  assert.deepEqual(refused.errors.map(({ field, fieldCode }) => [field, fieldCode]).sort(), [['address.line1', 'BLANK'], ['timeZone', 'UNKNOWN_TIME_ZONE']]);
  // The key was not spent: it carries the mended form.
  const done = await send('propertyCreate', 'PropertyCreateInput', { ...form, timeZone: 'America/Phoenix', address }, 'id version', key);
  assert.deepEqual(done.errors, []);
  fresh = done.result;
  return `${refused.errors.length} mistakes shown, then made`;
});

// The version that was read goes with the change. In a conflict the refusal says the version that is there, who made it and when: read the house
// again, and let the owner decide.
await screen('A change that somebody else made first', async () => {
  const done = await send('propertyUpdate', 'PropertyUpdateInput', { id: fresh.id, version: fresh.version, notes: 'The gate sticks' });
  const refused = await send('propertyUpdate', 'PropertyUpdateInput', { id: fresh.id, version: fresh.version, notes: 'Mine' });
  assert.deepEqual([refused.errors[0].code, refused.errors[0].details.currentVersion], ['VERSION_CONFLICT', done.result.version]);
  fresh = done.result;
  return `version ${refused.errors[0].details.currentVersion} is there already`;
});

// Nothing is deleted. An archived house is out of lists and reports until it is restored.
await screen('Archive, and take back', async () => {
  const archived = await send('propertyArchive', 'PropertyArchiveInput', { id: fresh.id, version: fresh.version }, 'id version status');
  const restored = await send('propertyRestore', 'PropertyRestoreInput', { id: fresh.id, version: archived.result.version }, 'id version status');
  fresh = restored.result;
  return `${archived.result.status}, then ${restored.result.status}`;
});

let portfolio;
// With three houses of each for the cards, and figures, in one request.
await screen('Portfolios', async () => {
  const { organization } = await read(`query Portfolios($organization: ID!) { organization(id: $organization) {
    portfolios(first: 20, orderBy: POSITION_ASC) { totalCount nodes { id version name colour properties(first: 3) { totalCount nodes { address { line1 } } } report(by: KIND, measure: NET) { key currency value } } } } }`);
  portfolio = organization.portfolios.nodes[0];
  return `${organization.portfolios.totalCount}, first ${portfolio.name} with ${portfolio.properties.totalCount} houses`;
});

// Both may be sent twice: a house that is in is in.
await screen('A house into a portfolio, and out', async () => {
  await send('portfolioAddProperty', 'PortfolioAddPropertyInput', { id: portfolio.id, propertyId: fresh.id });
  const out = await send('portfolioRemoveProperty', 'PortfolioRemovePropertyInput', { id: portfolio.id, propertyId: fresh.id });
  assert.deepEqual(out.errors, []);
  return 'both done';
});

// A transfer says who gives how much to whom, from which day, in one step, so that no day is without an owner.
await screen('Owners of a house, and a sale', async () => {
  const share = { propertyId: fresh.id, holderName: 'Jonas Alvarez', capacity: 'OWNER', shareBasisPoints: 10000, startsOn: '2020-01-01' };
  const recorded = await send('ownershipRecord', 'OwnershipRecordInput', share);
  const to = [{ holderName: 'Mara Alvarez', capacity: 'CO_OWNER', shareBasisPoints: 4000 }];
  const sold = await send('ownershipTransfer', 'OwnershipTransferInput', { id: recorded.result.id, version: 1, startsOn: '2026-06-01', to }, 'kept { holderName shareBasisPoints } received { holderName shareBasisPoints }');
  return `${sold.result.received[0].holderName} has ${sold.result.received[0].shareBasisPoints / 100} %, ${sold.result.kept.holderName} keeps ${sold.result.kept.shareBasisPoints / 100} %`;
});

// The refusal says how much is free, and from when.
await screen('More than the whole', async () => {
  const share = { propertyId: fresh.id, holderName: 'Somebody', capacity: 'OWNER', shareBasisPoints: 1, startsOn: '2026-07-01' };
  const refused = await send('ownershipRecord', 'OwnershipRecordInput', share);
  assert.deepEqual([refused.errors[0].fieldCode, refused.errors[0].details.freeBasisPoints], ['EXCEEDS_WHOLE', 0]);
  return refused.errors[0].message;
});

// Entries with the house of each, and the sums beside them. Money is in minor units of its currency; what goes out is negative.
await screen('The ledger of a portfolio', async () => {
  const { organization } = await read(`query Ledger($organization: ID!, $portfolio: ID!) { organization(id: $organization) {
    financialEntries(first: 20, filter: { portfolioId: $portfolio }, orderBy: BOOKED_DESC) { totalCount ${PAGE} nodes { id bookedOn kind amountMinor currency note recordedByActor { displayName } property { address { line1 } } } }
    portfolioFinancials(id: $portfolio, from: "2025-01-01") { totals { currency incomeMinor expensesMinor netMinor } } } }`, { portfolio: portfolio.id });
  return `${organization.financialEntries.totalCount} entries`;
});

// An entry is never changed. A correction stands in its place, and keeps the reason.
await screen('An amount, and its correction', async () => {
  const entry = { propertyId: fresh.id, kind: 'MAINTENANCE', amountMinor: -12500, currency: 'USD', bookedOn: '2026-06-03', source: 'Invoice 7' };
  const recorded = await send('financialEntryRecord', 'FinancialEntryRecordInput', entry, 'id version amountMinor');
  const corrected = await send('financialEntryCorrect', 'FinancialEntryCorrectInput', { id: recorded.result.id, version: 1, reason: 'A digit too many', amountMinor: -1250 }, 'amountMinor corrects { amountMinor }');
  return `${corrected.result.corrects.amountMinor} is ${corrected.result.amountMinor} now`;
});

// Several reports in one request, by aliases. Currencies are never added to each other: a row for each.
await screen('Reports', async () => {
  const { organization } = await read(`query Reports($organization: ID!) { organization(id: $organization) {
    owners: report(by: OWNER, measure: NET, from: "2025-01-01") { rows { key currency value } }
    kinds: report(by: KIND, measure: PROPERTIES) { rows { key value } }
    everything: report(by: STATUS, measure: PROPERTIES, withArchived: true) { rows { key value } } } }`);
  return `${organization.owners.rows.length} rows by owner, ${organization.kinds.rows.length} by kind`;
});

// Associations and vendors, with the people there.
await screen('Parties and contacts', async () => {
  const { organization } = await read(`query Parties($organization: ID!) { organization(id: $organization) {
    externalParties(first: 20, orderBy: NAME_ASC) { totalCount nodes { id name kind phone email contacts { name role phone } actionsAllowed } }
    contacts(first: 20, filter: { search: "a" }) { totalCount } } }`);
  return `${organization.externalParties.totalCount} parties`;
});

// Ended memberships are left out until `state` asks for them. Whoever is invited sees the invitation after signing in with that address.
await screen('Members, and an invitation', async () => {
  const { organization } = await read(`query Members($organization: ID!) { organization(id: $organization) {
    memberships { totalCount nodes { id version role state email principal { displayName } invitedByActor { displayName } actionsAllowed } } } }`);
  const invited = await send('membershipInvite', 'MembershipInviteInput', { email: `${randomUUID()}@example.com`, role: 'TRUSTEE', reason: 'Helps with the rentals' }, 'id state');
  assert.equal(invited.result.state, 'INVITED');
  return organization.memberships.nodes.map(({ role, principal }) => `${principal?.displayName} is ${role}`).join(', ');
});

// A desk that is chosen from the directory `desks` is named by its id, as `granteeOrganizationId`; a handle that somebody typed goes as
// `granteeHandle`. A person is named by `holderEmail`. Grants and delegations can be narrowed, and taken back at once.
// They count once the other side accepts: until then a delegation is `OFFERED`, and a grant has no `acceptedAt`.
await screen('Whom did we let in, and what did we delegate', async () => {
  const { organization, desks } = await read(`query Access($organization: ID!) { desks(first: 10, filter: { search: "phoenix" }) { nodes { id handle name about area } } organization(id: $organization) {
    accessGrants(first: 20, filter: { revoked: false }) { nodes { id version scopes startsAt endsAt revokedAt granteeOrganization { name } grantedByActor { displayName } actionsAllowed } }
    delegations(first: 20, filter: { state: [ACTIVE] }) { nodes { id state actions endsAt holder { displayName } grantor { displayName } items { property { address { line1 } } portfolio { name } } } } } }`);
  assert.ok(desks.nodes.some(({ handle }) => handle === 'desert-sky'));
  return organization.accessGrants.nodes.map(({ granteeOrganization, scopes }) => `${granteeOrganization.name} may ${scopes.join(' and ')}`).join('; ') || 'nobody';
});

// A wish is kept in the owner's own words, and executes nothing. The gateway suggests how to read it, with the words that led to that, and how sure
// it is, of 100; only a person's `classify` counts. Until a case comes of it, it can be revised and withdrawn.
await screen('A wish', async () => {
  const { result: wish } = await send('intentSubmit', 'IntentSubmitInput', {
    text: 'The kitchen faucet drips all night', propertyId: house.id, budgetMinor: 25_000, budgetCurrency: 'USD', mustNots: ['Nobody comes on a Sunday'],
  }, 'id number version state suggestedKind suggestedConfidence suggestedWords actionsAllowed');
  assert.deepEqual([wish.state, wish.suggestedKind], ['SUBMITTED', 'REPAIR']);
  assert.ok(wish.actionsAllowed.includes('INTENT_WITHDRAW'));
  return `${wish.number} seems to be ${wish.suggestedKind}, because of ${wish.suggestedWords.join(', ')}`;
});

// What the desk does about it. Open questions come first: `caseAnswer` takes one of their `choices`, or words where there are none. The timeline is a sentence for each
// thing that happened.
await screen('Cases, and one of them', async () => {
  const { organization } = await read(`query Cases($organization: ID!) { organization(id: $organization) { cases(first: 20, orderBy: UPDATED_DESC) { totalCount nodes {
    id number title state desk { name } assignee { displayName } resolveBy questions { text choices state dueAt } timeline(first: 20) { nodes { at sentence } } actionsAllowed } } } }`);
  const [first] = organization.cases.nodes;
  assert.ok(first.timeline.nodes.every(({ sentence }) => sentence));
  return `${organization.cases.totalCount}, last ${first.number}: ${first.timeline.nodes[0].sentence}`;
});

// The feed of the organization, newest first, and what was asked for, with how it ended.
await screen('What happened to everything', async () => {
  const { organization, operations } = await read(`query Log($organization: ID!) {
    organization(id: $organization) { history(first: 20) { ${PAGE} nodes { id kind at fields actor { displayName } } } }
    operations(first: 20) { nodes { procedure state createdAt initiatorActor { displayName } } } }`);
  return `${organization.history.nodes.length} events, ${operations.nodes.length} operations`;
});

assert.equal(screens, 20);
console.log(`${screens} screens, ${requests} requests`);
