// hey-api: an SDK of the RPC surface, as OpenAPI describes it.
export default {
  input: process.env.OPENAPI,
  output: { path: 'typed/made/hey', module: { extension: '.js' } },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
};
