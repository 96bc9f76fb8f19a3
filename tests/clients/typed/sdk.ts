// The same service with the SDK that hey-api makes.

import { client } from './made/hey/client.gen.js';
import { membershipInvite, propertyList, propertyUpdate } from './made/hey/index.js';

const { URL: GATEWAY = '', TOKEN = '', ORGANIZATION = '' } = process.env;
client.setConfig({
  baseUrl: GATEWAY,
  auth: ({ name, type }) => (type === 'http' ? TOKEN : name === 'X-Organization-Id' ? ORGANIZATION : undefined),
});

const { data } = await propertyList({ body: { first: 5, orderBy: 'ADDRESS_ASC' } });
const house = data?.result.edges[0]?.node;
if (!house) throw new Error('no house');

const refused = await propertyUpdate({ body: { idempotencyKey: crypto.randomUUID(), id: house.id, version: 1, notes: 'x'.repeat(10_001) } });
const mistake = refused.error?.field_errors[0];
if (mistake?.code !== 'TOO_LONG' || mistake.field !== 'notes') throw new Error(JSON.stringify(refused.error));

const invited = await membershipInvite({ body: { idempotencyKey: crypto.randomUUID(), email: `${crypto.randomUUID()}@example.com`, role: 'TRUSTEE' } });
if (invited.data?.result?.state !== 'INVITED') throw new Error(JSON.stringify(invited.error));
console.log(house.address.line1);
