// A portal's requests, typed by graphql-codegen from the schema that the gateway serves: no cast, no `any`.

import { GraphQLClient } from 'graphql-request';
import { graphql } from './made/graphql/gql.js';
import { ErrorCode, FieldCode, MutationName } from './made/graphql/graphql.js';

const HOUSES = graphql(`
  query Houses($organization: ID!, $after: String) {
    organization(id: $organization) {
      name
      properties(first: 10, after: $after, orderBy: ADDRESS_ASC) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes { id version createdAt archivedAt status address { line1 locality } actionsAllowed ownerships(on: "2026-01-01") { holderName startsOn } }
      }
    }
  }
`);

const UPDATE = graphql(`
  mutation Update($key: UUID!, $input: PropertyUpdateInput!) {
    propertyUpdate(idempotencyKey: $key, input: $input) {
      replayed
      result { id version notes }
      errors { code field fieldCode message details { currentVersion changedAt } }
    }
  }
`);

const { URL: GATEWAY = '', TOKEN = '', ORGANIZATION = '' } = process.env;
const headers = { authorization: `Bearer ${TOKEN}`, 'x-organization-id': ORGANIZATION };
// A refused form has its mistakes in the payload as well, so errors need not throw.
const client = new GraphQLClient(`${GATEWAY}/graphql`, { headers, errorPolicy: 'all' });

const { organization } = await client.request(HOUSES, { organization: ORGANIZATION });
const house = organization?.properties?.nodes.find(({ actionsAllowed }) => actionsAllowed?.includes(MutationName.PropertyUpdate));
if (!house) throw new Error('no house may be changed');
const created: Date = new Date(house.createdAt);
const shown: string = `${house.address.line1}, ${house.address.locality}, since ${created.getFullYear()}, ${house.ownerships?.map(({ holderName, startsOn }) => `${holderName} ${startsOn}`).join(', ')}`;

const note = async (notes: string) => {
  const { propertyUpdate } = await client.request(UPDATE, { key: crypto.randomUUID(), input: { id: house.id, version: house.version, notes } });
  return propertyUpdate;
};
const fresh = `Typed ${crypto.randomUUID()}`;
const done = await note(fresh);
if (done?.result?.notes !== fresh) throw new Error(JSON.stringify(done));

/** A form's mistakes, by field, in the reader's own words. */
const words: Partial<Record<FieldCode, string>> = { [FieldCode.Blank]: 'darf nicht leer sein', [FieldCode.TooLong]: 'ist zu lang' };
const long = await note('x'.repeat(10_001));
const inWords = long?.errors.map(({ field, fieldCode }) => `${field} ${fieldCode ? words[fieldCode] : ''}`).join();
if (inWords !== 'notes ist zu lang') throw new Error(JSON.stringify(long));

const late = await note('Late');
const [mistake] = late?.errors ?? [];
if (mistake?.code !== ErrorCode.VersionConflict) throw new Error(JSON.stringify(late));
if (mistake.details?.currentVersion !== house.version + 1) throw new Error(JSON.stringify(mistake));
console.log(shown);
