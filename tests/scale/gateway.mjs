// A gateway in a process of its own, with servers and data of its own, on loopback.

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export class Gateway {
  constructor(binary, tree) {
    Object.assign(this, { binary, tree, data: path.join(tree, "data") });
  }

  environment() {
    return { ...process.env, HESTAMI_DATA: this.data, HESTAMI_LISTEN: `127.0.0.1:${this.port}`, HESTAMI_LOG: "warn" };
  }

  /** Starts it, and says after how many seconds it was ready. */
  async start() {
    this.port ??= await freePort();
    const since = performance.now();
    const log = fs.openSync(path.join(this.tree, "gateway.log"), "a");
    this.process = spawn(this.binary, ["serve"], { cwd: this.tree, env: this.environment(), stdio: ["ignore", log, log] });
    fs.closeSync(log);
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`the gateway ended: see ${this.tree}/gateway.log`);
      const answer = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok) return (performance.now() - since) / 1000;
      if (performance.now() - since > 300_000) throw new Error("the gateway is not ready after five minutes");
      await pause(10);
    }
  }

  async stop() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    await ended;
  }

  end() {
    if (this.process?.exitCode === null) this.process.kill("SIGTERM");
  }

  /** Resident, in MB. */
  memory() {
    const status = fs.readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
  }

  /** The demo's owner of an LLC, who may create. */
  async owner() {
    const organization = "Chen Holdings LLC";
    this.token ??= execFileSync(this.binary, ["token", "--role", "OWNER", "--organization", organization], { cwd: this.tree, env: this.environment(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split("\n").at(-1);
    const viewer = await this.ask(undefined, "{ viewer { memberships { nodes { organizationId } } } }");
    return viewer.viewer.memberships.nodes[0].organizationId;
  }

  async post(url, organization, body) {
    const headers = { "content-type": "application/json", authorization: `Bearer ${this.token}`, ...(organization && { "x-organization-id": organization }) };
    const answer = await fetch(`http://127.0.0.1:${this.port}${url}`, { method: "POST", headers, body: JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok || said.errors) throw new Error(`${url}: ${JSON.stringify(said)}`);
    return said;
  }

  async ask(organization, query) {
    return (await this.post("/graphql", organization, { query })).data;
  }

  async read(organization, procedure, input) {
    return (await this.post(`/api/v1/rpc/${procedure}`, organization, input)).result;
  }

  async change(organization, procedure, input) {
    return this.read(organization, procedure, { idempotencyKey: randomUUID(), ...input });
  }
}
