// A desk that looks after two owners, with Relay: one store for both, pages that go on, rows that refetch by their id alone.

import { Environment, Network, RecordSource, Store, commitMutation, createOperationDescriptor, fetchQuery, getRequest, getSelector } from 'relay-runtime';
import type { GraphQLTaggedNode, OperationType } from 'relay-runtime';
import PageQuery, { type documentsHousesPageQuery } from '../made/relay/documentsHousesPageQuery.graphql';
import HousesFragment, { type documentsHouses_organization$data } from '../made/relay/documentsHouses_organization.graphql';
import NoteMutation, { type documentsNoteMutation } from '../made/relay/documentsNoteMutation.graphql';
import OwnerQuery, { type documentsOwnerQuery } from '../made/relay/documentsOwnerQuery.graphql';
import OwnersQuery, { type documentsOwnersQuery } from '../made/relay/documentsOwnersQuery.graphql';
import RowQuery, { type documentsRowQuery } from '../made/relay/documentsRowQuery.graphql';
import RowFragment, { type documentsRow_property$data } from '../made/relay/documentsRow_property.graphql';

const { URL: GATEWAY = '', TOKEN = '', ORGANIZATION = '' } = process.env;
const headers = { authorization: `Bearer ${TOKEN}`, 'x-organization-id': ORGANIZATION, 'content-type': 'application/json' };
let requests = 0;

// Relay warns of records that do not fit each other.
console.error = (...said: unknown[]) => {
  throw new Error(said.join(' '));
};

const environment = new Environment({
  network: Network.create(async ({ text: query }, variables, { metadata }) => {
    requests += 1;
    // Reading needs no grant. A change names the one through which it is made.
    const grant = metadata?.['grant'];
    const all = typeof grant === 'string' ? { ...headers, 'x-grant-id': grant } : headers;
    const response = await fetch(`${GATEWAY}/graphql`, { method: 'POST', headers: all, body: JSON.stringify({ query, variables }) });
    return response.json();
  }),
  // An organization and its card have one id, as have a person and the viewer. Keys are types with ids, as in Apollo and urql.
  getDataID: ({ id }, type) => (id === undefined ? undefined : `${type}:${id}`),
  store: new Store(new RecordSource()),
});

function same(one: unknown, other: unknown, about: string) {
  if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error(`${about}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`);
}

async function read<T extends OperationType>(query: GraphQLTaggedNode, variables: T['variables'], fetchPolicy: 'network-only' | 'store-or-network' = 'network-only') {
  const data = await fetchQuery<T>(environment, query, variables, { fetchPolicy }).toPromise();
  if (!data) throw new Error('no answer');
  // As a mounted component does, so that the store keeps it.
  environment.retain(createOperationDescriptor(getRequest(query), variables));
  return data;
}

/** The data of a fragment, as the store has it now. */
function kept<T>(fragment: GraphQLTaggedNode, reference: unknown): T {
  const selector = getSelector(fragment as never, reference as never);
  return environment.lookup(selector as never).data as unknown as T;
}

async function houses(id: string, fetchPolicy: 'network-only' | 'store-or-network') {
  const { organization } = await read<documentsOwnerQuery>(OwnerQuery, { id }, fetchPolicy);
  if (!organization) throw new Error(`no organization ${id}`);
  const { properties } = kept<documentsHouses_organization$data>(HousesFragment, organization);
  if (!properties) throw new Error('no houses');
  return { organization, properties };
}

async function main() {
  const { viewer, engagedOrganizations } = await read<documentsOwnersQuery>(OwnersQuery, {});
  const owners = (engagedOrganizations?.edges ?? []).flatMap(({ node: { id, organization } }) => (organization ? [{ grant: id, ...organization }] : []));
  if (owners.length < 2) throw new Error('the demo has two owners who let the desk in');

  const totals: unknown[] = [];
  for (const { id } of owners) {
    const { properties } = await houses(id, 'network-only');
    totals.push(properties.totalCount);
    // The next page, as usePaginationFragment asks for it. The connection grows in place.
    const cursor = properties.pageInfo.endCursor;
    await read<documentsHousesPageQuery>(PageQuery, { id, count: 2, after: cursor });
  }
  if (totals[0] === totals[1]) throw new Error('the owners are alike: a mix would not show');

  const asked = requests;
  const rows: { id: string; owner: string; grant: string; row: documentsRow_property$data }[] = [];
  for (const [at, { grant, id, name }] of owners.entries()) {
    const { organization, properties } = await houses(id, 'store-or-network');
    same([organization.name, properties.totalCount, properties.edges.length], [name, totals[at], Math.min(4, Number(totals[at]))], 'the owner in the store');
    for (const { node } of properties.edges) {
      same(node.organization?.id, id, 'the owner of a row');
      rows.push({ id: node.id, owner: id, grant, row: kept<documentsRow_property$data>(RowFragment, node) });
    }
  }
  same(requests, asked, 'requests: the store knows all of it');

  for (const { id } of rows) {
    const { node } = await read<documentsRowQuery>(RowQuery, { id });
    same(kept<documentsRow_property$data>(RowFragment, node).id, id, 'a row found again by its id');
  }
  same((await read<documentsRowQuery>(RowQuery, { id: viewer.id })).node !== null, true, 'the viewer is a node');

  // A change reaches the row that is on the screen, by its id.
  const first = rows.find(({ row }) => row.actionsAllowed?.includes('PROPERTY_UPDATE'));
  if (!first) throw new Error('the desk may change no house');
  const notes = `Relay ${crypto.randomUUID()}`;
  await new Promise<void>((resolve, reject) => {
    commitMutation<documentsNoteMutation>(environment, {
      mutation: NoteMutation,
      variables: { key: crypto.randomUUID(), input: { id: first.id, version: first.row.version, notes } },
      cacheConfig: { metadata: { grant: first.grant } },
      onCompleted: (_, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve()),
      onError: reject,
    });
  });
  const { properties } = await houses(first.owner, 'store-or-network');
  const shown = properties.edges.find(({ node }) => node.id === first.id);
  same(kept<documentsRow_property$data>(RowFragment, shown?.node).notes, notes, 'the note on the screen');
  console.log(`${rows.length} rows of ${owners.length} owners, ${requests} requests`);
}

void main();
