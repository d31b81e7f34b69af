// Asks with an unmodified client, `apollo` or `urql`, whichever is named on the command line before the server's
// address and the method for hashes, `GET` or `POST`. A call is one line of JSON in: {"call": "query", "arguments":
// [document, variables, headers]} gives {data, errors, sent}, `sent` being method, what named the document, and status of
// each request that was made.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';

const [which, address, method] = process.argv.slice(2);
const url = `${address}/graphql`;
const sha256 = text => createHash('sha256').update(text).digest('hex');
let sent = [];

async function watched(target, options = {}) {
  const response = await fetch(target, options);
  const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(target).searchParams);
  sent.push([options.method ?? 'GET', body.query ? 'text' : 'hash', response.status]);
  return response;
}

const clients = {
  apollo() {
    const hashes = new PersistedQueryLink({ sha256, useGETForHashedQueries: method === 'GET' });
    const client = new ApolloClient({
      link: hashes.concat(new HttpLink({ uri: url, fetch: watched })),
      cache: new InMemoryCache(),
      defaultOptions: { query: { fetchPolicy: 'no-cache', errorPolicy: 'all' } },
    });
    return async (document, variables, headers) => {
      const { data, error } = await client.query({ query: gql(document), variables, context: { headers } });
      return { data, errors: error ? (error.errors ?? [{ message: String(error) }]) : [] };
    };
  },
  urql() {
    const client = new Client({
      url,
      fetch: watched,
      preferGetMethod: false,
      exchanges: [
        persistedExchange({ preferGetForPersistedQueries: method === 'GET' ? 'force' : false }),
        fetchExchange,
      ],
    });
    return async (document, variables, headers) => {
      const asked = client.query(document, variables, { fetchOptions: { headers }, requestPolicy: 'network-only' });
      const { data, error } = await asked.toPromise();
      return { data: data ?? null, errors: error?.graphQLErrors ?? (error ? [{ message: String(error) }] : []) };
    };
  },
};
const ask = clients[which]();

for await (const line of createInterface({ input: process.stdin })) {
  const { arguments: given } = JSON.parse(line);
  sent = [];
  const result = await ask(...given).then(
    gave => ({ gave: { ...gave, sent } }),
    error => ({ threw: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
