// An owner portal in eighteen screens: what each of them asks, as one would write it, with nothing but fetch.
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
    sent: ${field}(idempotencyKey: $key, input: $input) { replayed result { ${result} } errors { code field fieldCode message details { currentVersion freeBasisPoints } } } }`;
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

await screen('Who am I, and for whom', async () => {
  const { viewer } = await read('{ viewer { id displayName organizations { id name type } memberships { nodes { role organization { id name } } } invitations { id role organization { name } } } }');
  assert.ok(viewer.organizations.some(({ id }) => id === ORGANIZATION));
  return `${viewer.displayName}, ${viewer.memberships.nodes.map(({ role, organization }) => `${role} of ${organization.name}`).join(', ')}`;
});

await screen('Home', async () => {
  const { organization } = await read(`query Home($organization: ID!) { organization(id: $organization) {
    name actionsAllowed properties(first: 0) { totalCount } portfolios(first: 0) { totalCount }
    net: report(by: STATUS, measure: NET) { rows { currency value } }
    history(first: 5) { nodes { kind at actor { displayName organization { name } } node { __typename ... on Property { address { line1 } } } } } } }`);
  assert.ok(organization.actionsAllowed.includes('PROPERTY_CREATE'));
  return `${organization.name}: ${organization.properties.totalCount} houses; last: ${organization.history.nodes[0]?.kind}`;
});

let house;
await screen('Houses, searched and sorted', async () => {
  const { organization } = await read(`query Houses($organization: ID!, $search: String) { organization(id: $organization) {
    properties(first: 25, filter: { search: $search }, orderBy: ADDRESS_ASC) { totalCount ${PAGE} nodes {
      id version kind status address { line1 locality region } hoa { name } portfolios { name } actionsAllowed
      ownerships(on: "2026-01-01") { holderName shareBasisPoints } financials(from: "2025-01-01", until: "2026-01-01") { totals { currency netMinor } } } } } }`, { search: '' });
  house = organization.properties.nodes[0];
  assert.ok(house.actionsAllowed.includes('PROPERTY_UPDATE'));
  return `${organization.properties.totalCount}, first ${house.address.line1}`;
});

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

await screen('A change that somebody else made first', async () => {
  const done = await send('propertyUpdate', 'PropertyUpdateInput', { id: fresh.id, version: fresh.version, notes: 'The gate sticks' });
  const refused = await send('propertyUpdate', 'PropertyUpdateInput', { id: fresh.id, version: fresh.version, notes: 'Mine' });
  assert.deepEqual([refused.errors[0].code, refused.errors[0].details.currentVersion], ['VERSION_CONFLICT', done.result.version]);
  fresh = done.result;
  return `version ${refused.errors[0].details.currentVersion} is there already`;
});

await screen('Archive, and take back', async () => {
  const archived = await send('propertyArchive', 'PropertyArchiveInput', { id: fresh.id, version: fresh.version }, 'id version status');
  const restored = await send('propertyRestore', 'PropertyRestoreInput', { id: fresh.id, version: archived.result.version }, 'id version status');
  fresh = restored.result;
  return `${archived.result.status}, then ${restored.result.status}`;
});

let portfolio;
await screen('Portfolios', async () => {
  const { organization } = await read(`query Portfolios($organization: ID!) { organization(id: $organization) {
    portfolios(first: 20, orderBy: POSITION_ASC) { totalCount nodes { id version name colour properties(first: 3) { totalCount nodes { address { line1 } } } report(by: KIND, measure: NET) { key currency value } } } } }`);
  portfolio = organization.portfolios.nodes[0];
  return `${organization.portfolios.totalCount}, first ${portfolio.name} with ${portfolio.properties.totalCount} houses`;
});

await screen('A house into a portfolio, and out', async () => {
  await send('portfolioAddProperty', 'PortfolioAddPropertyInput', { id: portfolio.id, propertyId: fresh.id });
  const out = await send('portfolioRemoveProperty', 'PortfolioRemovePropertyInput', { id: portfolio.id, propertyId: fresh.id });
  assert.deepEqual(out.errors, []);
  return 'both done';
});

await screen('Owners of a house, and a sale', async () => {
  const share = { propertyId: fresh.id, holderName: 'Jonas Alvarez', capacity: 'OWNER', shareBasisPoints: 10000, startsOn: '2020-01-01' };
  const recorded = await send('ownershipRecord', 'OwnershipRecordInput', share);
  const to = [{ holderName: 'Mara Alvarez', capacity: 'CO_OWNER', shareBasisPoints: 4000 }];
  const sold = await send('ownershipTransfer', 'OwnershipTransferInput', { id: recorded.result.id, version: 1, startsOn: '2026-06-01', to }, 'kept { holderName shareBasisPoints } received { holderName shareBasisPoints }');
  return `${sold.result.received[0].holderName} has ${sold.result.received[0].shareBasisPoints / 100} %, ${sold.result.kept.holderName} keeps ${sold.result.kept.shareBasisPoints / 100} %`;
});

await screen('More than the whole', async () => {
  const share = { propertyId: fresh.id, holderName: 'Somebody', capacity: 'OWNER', shareBasisPoints: 1, startsOn: '2026-07-01' };
  const refused = await send('ownershipRecord', 'OwnershipRecordInput', share);
  assert.deepEqual([refused.errors[0].fieldCode, refused.errors[0].details.freeBasisPoints], ['EXCEEDS_WHOLE', 0]);
  return refused.errors[0].message;
});

await screen('The ledger of a portfolio', async () => {
  const { organization } = await read(`query Ledger($organization: ID!, $portfolio: ID!) { organization(id: $organization) {
    financialEntries(first: 20, filter: { portfolioId: $portfolio }, orderBy: BOOKED_DESC) { totalCount ${PAGE} nodes { id bookedOn kind amountMinor currency note recordedByActor { displayName } property { address { line1 } } } }
    portfolioFinancials(id: $portfolio, from: "2025-01-01") { totals { currency incomeMinor expensesMinor netMinor } } } }`, { portfolio: portfolio.id });
  return `${organization.financialEntries.totalCount} entries`;
});

await screen('An amount, and its correction', async () => {
  const entry = { propertyId: fresh.id, kind: 'MAINTENANCE', amountMinor: -12500, currency: 'USD', bookedOn: '2026-06-03', source: 'Invoice 7' };
  const recorded = await send('financialEntryRecord', 'FinancialEntryRecordInput', entry, 'id version amountMinor');
  const corrected = await send('financialEntryCorrect', 'FinancialEntryCorrectInput', { id: recorded.result.id, version: 1, reason: 'A digit too many', amountMinor: -1250 }, 'amountMinor corrects { amountMinor }');
  return `${corrected.result.corrects.amountMinor} is ${corrected.result.amountMinor} now`;
});

await screen('Reports', async () => {
  const { organization } = await read(`query Reports($organization: ID!) { organization(id: $organization) {
    owners: report(by: OWNER, measure: NET, from: "2025-01-01") { rows { key currency value } }
    kinds: report(by: KIND, measure: PROPERTIES) { rows { key value } }
    everything: report(by: STATUS, measure: PROPERTIES, withArchived: true) { rows { key value } } } }`);
  return `${organization.owners.rows.length} rows by owner, ${organization.kinds.rows.length} by kind`;
});

await screen('Parties and contacts', async () => {
  const { organization } = await read(`query Parties($organization: ID!) { organization(id: $organization) {
    externalParties(first: 20, orderBy: NAME_ASC) { totalCount nodes { id name kind phone email contacts { name role phone } actionsAllowed } }
    contacts(first: 20, filter: { search: "a" }) { totalCount } } }`);
  return `${organization.externalParties.totalCount} parties`;
});

await screen('Members, and an invitation', async () => {
  const { organization } = await read(`query Members($organization: ID!) { organization(id: $organization) {
    memberships { totalCount nodes { id version role state email principal { displayName } invitedByActor { displayName } actionsAllowed } } } }`);
  const invited = await send('membershipInvite', 'MembershipInviteInput', { email: `${randomUUID()}@example.com`, role: 'TRUSTEE', reason: 'Helps with the rentals' }, 'id state');
  assert.equal(invited.result.state, 'INVITED');
  return organization.memberships.nodes.map(({ role, principal }) => `${principal?.displayName} is ${role}`).join(', ');
});

await screen('Whom did we let in, and what did we delegate', async () => {
  const { organization } = await read(`query Access($organization: ID!) { organization(id: $organization) {
    accessGrants(first: 20) { nodes { id version scopes startsAt endsAt revokedAt granteeOrganization { name } grantedByActor { displayName } actionsAllowed } }
    delegations(first: 20) { nodes { id state actions endsAt holder { displayName } grantor { displayName } items { property { address { line1 } } portfolio { name } } } } } }`);
  return organization.accessGrants.nodes.map(({ granteeOrganization, scopes }) => `${granteeOrganization.name} may ${scopes.join(' and ')}`).join('; ') || 'nobody';
});

await screen('What happened to everything', async () => {
  const { organization, operations } = await read(`query Log($organization: ID!) {
    organization(id: $organization) { history(first: 20) { ${PAGE} nodes { id kind at fields actor { displayName } } } }
    operations(first: 20) { nodes { procedure state createdAt initiatorActor { displayName } } } }`);
  return `${organization.history.nodes.length} events, ${operations.nodes.length} operations`;
});

assert.equal(screens, 18);
console.log(`${screens} screens, ${requests} requests`);
