// A gateway for the clients: the binary as `make run` starts it, with its servers and the demo, in a folder that is removed in
// the end; and a way to the gateway that can be cut.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Starts a gateway, with these settings besides its own. */
export async function start(settings = {}) {
  const data = await mkdtemp(path.join(os.tmpdir(), 'hestami-clients-'));
  const gateway = new Gateway(data, settings);
  await gateway.serve('127.0.0.1:0');
  return gateway;
}

class Gateway {
  constructor(data, settings) {
    this.data = data;
    this.settings = settings;
  }

  async serve(listen) {
    const env = { ...process.env, HESTAMI_DATA: this.data, HESTAMI_LISTEN: listen, HESTAMI_OPERATORS: '127.0.0.1:0', HESTAMI_LOG: 'warn', HESTAMI_COST: '10000', ...this.settings };
    const options = { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] };
    this.child = spawn(path.join(root, 'target/debug/hestami'), ['serve'], options);
    let said = '';
    await new Promise((resolve, reject) => {
      this.child.stdout.on('data', (text) => {
        said += text;
        if (said.includes('More tokens')) resolve();
      });
      this.child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}: ${said}`)));
    });
    this.url = /hestami serves (\S+)/.exec(said)[1];
    this.said = said;
  }

  /** The token of a person of the demo, and the organization for which they act. */
  who(name) {
    const [, organization, token] = new RegExp(`${name} in .*X-Organization-Id (\\S+)\\n.*token=(\\S+)`).exec(this.said);
    return { organization, headers: { authorization: `Bearer ${token}`, 'x-organization-id': organization }, token };
  }

  async ended() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise((resolve) => this.child.once('exit', resolve));
    }
  }

  async restart(signal) {
    this.child.removeAllListeners('exit');
    this.child.kill(signal);
    await this.ended();
    await this.serve(new URL(this.url).host);
  }

  async stop() {
    this.child.removeAllListeners('exit');
    this.child.kill('SIGTERM');
    await this.ended();
    await rm(this.data, { recursive: true, force: true });
  }

  async query(who, query, variables) {
    const body = JSON.stringify({ query, variables });
    const headers = { ...who.headers, 'content-type': 'application/json' };
    const answer = await (await fetch(`${this.url}/graphql`, { method: 'POST', headers, body })).json();
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  }
}

/** A way to the gateway that can be cut and mended. */
export async function way(to) {
  const target = new URL(to);
  const sockets = new Set();
  let open = true;
  const server = net.createServer((near) => {
    if (!open) return near.destroy();
    const far = net.connect(Number(target.port), target.hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    ws: `ws://127.0.0.1:${server.address().port}/graphql`,
    cut() {
      open = false;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      open = true;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}

export async function until(name, check, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
