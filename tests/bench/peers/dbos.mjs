// DBOS for TypeScript doing only its one-step workflow: no HTTP, no policy, no rows of a domain. One line of JSON for each
// number in flight that is asked for.
import { randomUUID } from "node:crypto";
import { DBOS } from "@dbos-inc/dbos-sdk";

const [url, seconds, ...inFlight] = process.argv.slice(2);

DBOS.setConfig({ name: "bench", systemDatabaseUrl: url, runAdminServer: false, logLevel: "error" });
const work = DBOS.registerWorkflow(
  async (input) => {
    return await DBOS.runStep(async () => ({ ...input, done: true }), { name: "one" });
  },
  { name: "one_step" },
);
await DBOS.launch();

async function load(many, milliseconds) {
  const times = [];
  const until = performance.now() + milliseconds;
  const worker = async () => {
    while (performance.now() < until) {
      const began = performance.now();
      const handle = await DBOS.startWorkflow(work, { workflowID: randomUUID() })({ line1: "1 First Street", country: "US" });
      await handle.getResult();
      times.push(performance.now() - began);
    }
  };
  const began = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: many }, worker));
  const spent = process.cpuUsage(cpu);
  return { times, seconds: (performance.now() - began) / 1000, cpu: (spent.user + spent.system) / 1e6 };
}

await load(8, 1000);
for (const many of inFlight.map(Number)) {
  const { times, seconds: took, cpu } = await load(many, Number(seconds) * 1000);
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.floor((times.length - 1) * part)];
  console.log(JSON.stringify({ inFlight: many, count: times.length, seconds: took, cpu, p50: at(0.5), p99: at(0.99) }));
}
await DBOS.shutdown();
process.exit(0);
