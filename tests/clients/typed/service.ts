// A service over RPC, typed by openapi-typescript: the headers are set once, and nothing is cast.

import createClient from 'openapi-fetch';
import type { components, paths } from './made/rpc.js';

const { URL: GATEWAY = '', TOKEN = '', ORGANIZATION = '' } = process.env;
const client = createClient<paths>({
  baseUrl: GATEWAY,
  headers: { Authorization: `Bearer ${TOKEN}`, 'X-Organization-Id': ORGANIZATION },
});

const { data } = await client.POST('/api/v1/rpc/property/v1/list', { body: { first: 5, orderBy: 'ADDRESS_ASC', withTotal: true } });
if (!data) throw new Error('no answer');
const house: components['schemas']['Property'] | undefined = data.result.edges[0]?.node;
if (!house) throw new Error('no house');

const refused = await client.POST('/api/v1/rpc/property/v1/update', {
  body: { idempotencyKey: crypto.randomUUID(), id: house.id, version: house.version + 7, notes: 'Late' },
});
if (refused.error?.error.code !== 'VERSION_CONFLICT') throw new Error(JSON.stringify(refused.error));
const now: number | undefined = refused.error.error.details?.currentVersion;

const key = crypto.randomUUID();
const body = { idempotencyKey: key, email: `${key}@example.com`, role: 'TRUSTEE' } as const;
for (const replayed of [false, true]) {
  const answer = await client.POST('/api/v1/rpc/membership/v1/invite', { body });
  if (answer.data?.replayed !== replayed || answer.data.operation.procedure !== 'membership/v1/invite') throw new Error(JSON.stringify(answer));
}
console.log(house.address.line1, now);
