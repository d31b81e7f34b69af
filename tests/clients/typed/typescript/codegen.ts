import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: 'documents/*.graphql',
  generates: {
    'generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        // Documents stay texts: what is shipped to browsers needs no GraphQL library.
        documentMode: 'string',
        useTypeImports: true,
        // A scalar that is not named here is an error and never `any`.
        strictScalars: true,
        defaultScalarType: 'unknown',
        scalars: {
          DateTime: 'string',
          ID: 'string',
          Int64: 'number',
          JSON: 'unknown',
          LocalDateTime: 'string',
          Moment: 'string',
          PropertyValue: 'string | number | boolean',
        },
      },
    },
  },
};

export default config;
