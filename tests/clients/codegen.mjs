// graphql-codegen: types of the schema, and of each document of `typed/portal.ts`.

/** The scalars as JSON carries them. */
export const scalars = { DateTime: 'string', Date: 'string', UUID: 'string', Long: 'number' };

export default {
  schema: process.env.SCHEMA,
  documents: 'typed/portal.ts',
  generates: {
    'typed/made/graphql/': {
      preset: 'client',
      config: { scalars, strictScalars: true, useTypeImports: true, enumType: 'const', emitLegacyCommonJSImports: false, importExtension: '.js' },
      presetConfig: { fragmentMasking: false },
    },
  },
};
