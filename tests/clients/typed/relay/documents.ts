// The documents of the desk, for relay-compiler. An app keeps each beside its component.

import { graphql } from 'relay-runtime';

export const documents = () => [
  graphql`
    query documentsOwnersQuery {
      viewer { id displayName }
      engagedOrganizations(first: 10) { edges { node { id organization { id name } } } }
    }
  `,
  graphql`
    query documentsOwnerQuery($id: ID!) {
      organization(id: $id) { id name portfolios(first: 20) { totalCount } ...documentsHouses_organization }
    }
  `,
  graphql`
    fragment documentsHouses_organization on Organization
    @refetchable(queryName: "documentsHousesPageQuery")
    @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, after: { type: "String" }) {
      properties(first: $count, after: $after, orderBy: ADDRESS_ASC) @connection(key: "documents_properties") {
        totalCount
        pageInfo { hasNextPage endCursor }
        edges { node { id organization { id name } ...documentsRow_property } }
      }
    }
  `,
  graphql`
    fragment documentsRow_property on Property @refetchable(queryName: "documentsRowQuery") {
      id
      version
      notes
      actionsAllowed
      address { line1 }
    }
  `,
  graphql`
    mutation documentsNoteMutation($key: UUID!, $input: PropertyUpdateInput!) {
      propertyUpdate(idempotencyKey: $key, input: $input) {
        result { ...documentsRow_property }
        errors { code field message }
      }
    }
  `,
];
