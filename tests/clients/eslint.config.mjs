// The rules of graphql-eslint for the schema: all of them, and Relay's. Each one that is left out says why.

import graphqlPlugin from '@graphql-eslint/eslint-plugin';

const VALUES = [
  'Address', 'CaseChanged', 'ChangePage', 'DelegationItem', 'ErrorDetails', 'Event', 'FieldMove', 'FinancialSum', 'FinancialTotal', 'Financials', 'IntentChanged', 'OperationError', 'OwnershipTransfer',
  'PageInfo', 'PortfolioChanged', 'PropertyChanged', 'Report', 'ReportRow', 'ResourceChange', 'UserError', 'Warning',
  'WorkItemChanged', 'WorkItemCount', 'WorkItemCounted',
];

const chosen = {
  // Fields stand in the order of their meaning: who, then what, then when.
  '@graphql-eslint/alphabetize': 'off',
  // Lists are of edges, and `nodes` beside them is for those who need no cursors.
  '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false }],
  // Values have no id of their own: a page, a payload, a sum, a place in the log.
  '@graphql-eslint/strict-id-in-types': ['error', {
    acceptedIdNames: ['id'],
    acceptedIdTypes: ['ID'],
    exceptions: { suffixes: ['Payload', 'Connection', 'Edge'], types: VALUES },
  }],
  // A key stands beside the input, and is no part of it.
  '@graphql-eslint/input-name': 'off',
  // A payload holds the thing itself, whose fields lead on.
  '@graphql-eslint/require-field-of-type-query-in-mutation-result': 'off',
  // There are mutations and subscriptions.
  '@graphql-eslint/no-root-type': 'off',
  // Nobody is signed in without being somebody.
  '@graphql-eslint/require-nullable-result-in-root': 'off',
  // An event of the log and the entry of history in it: the same word in all three subscriptions.
  '@graphql-eslint/no-typename-prefix': 'off',
};

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: graphqlPlugin.parser, parserOptions: { graphQLConfig: { schema: process.env.SCHEMA } } },
    plugins: { '@graphql-eslint': graphqlPlugin },
    rules: { ...graphqlPlugin.configs['flat/schema-all'].rules, ...graphqlPlugin.configs['flat/schema-relay'].rules, ...chosen },
  },
];
