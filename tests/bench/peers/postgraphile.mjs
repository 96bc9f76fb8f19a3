// PostGraphile on our own tables, as the application's role: each request names its organization, and its transaction is
// set up with it, so that row security applies as it does for the gateway.
import { createServer } from "node:http";
import { grafserv } from "postgraphile/grafserv/node";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { postgraphile } from "postgraphile";

const [url, connections] = process.argv.slice(2);

const preset = {
  extends: [PostGraphileAmberPreset],
  // It would offer only columns with an index of their own for filters and orders.
  disablePlugins: ["PgIndexBehaviorsPlugin"],
  pgServices: [makePgService({ connectionString: url, schemas: ["public"], poolConfig: { max: Number(connections) } })],
  grafast: {
    context: ({ node }) => ({
      pgSettings: {
        "app.organization_id": node.req.headers["x-organization-id"],
        "app.now": new Date().toISOString(),
      },
    }),
  },
  grafserv: { graphqlPath: "/graphql", graphiql: false, graphiqlOnGraphQLGET: false, websockets: false },
};

const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(0, "127.0.0.1", () => console.log(`serves http://127.0.0.1:${server.address().port}/graphql`));
