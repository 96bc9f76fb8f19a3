// The page of the portal's screens, made from `portal.mjs`: what stands above each screen, and its code. `--write` writes the page.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const PORTAL = new URL('portal.mjs', import.meta.url);
export const PAGE = new URL('../../docs/clients/screens.md', import.meta.url);

const HEAD = `<!-- Written by \`node tests/clients/screens.mjs --write\` from tests/clients/portal.mjs. -->
# Twenty screens of an owner portal

Each reads in one request; a form sends one more. All of it is [one script](../../tests/clients/portal.mjs) with nothing but \`fetch\`, run by \`make test-clients\`:
\`eval "$(./target/debug/hestami token --role OWNER --env)" && node tests/clients/portal.mjs\`.
\`read\` sends a query with the organization among its variables, \`send\` a form with its key. \`PAGE\` is \`pageInfo { hasNextPage endCursor }\`; \`house\`,
\`fresh\` and \`portfolio\` come from the screens before.
`;

export function page() {
  const screens = readFileSync(PORTAL, 'utf8').matchAll(/((?:^\/\/ .*\n)+)^await screen\('(.*)', (async \(\) => \{\n[\s\S]*?^\})\);$/gm);
  const parts = [...screens].map(([, about, name, code], at) => {
    const words = about.replaceAll(/^\/\/ /gm, '').trim();
    const body = code.split('\n').slice(1, -1).map((line) => line.replace(/^ {2}/, '')).join('\n');
    return `\n## ${at + 1}. ${name}\n\n${words}\n\n\`\`\`javascript\n${body}\n\`\`\`\n`;
  });
  if (parts.length !== 20) throw new Error(`${parts.length} screens are described`);
  return HEAD + parts.join('');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes('--write')) writeFileSync(PAGE, page());
  else process.stdout.write(page());
}
