// Follows with an unmodified client, `graphql-ws` or `graphql-sse`, whichever is named on the command line before the
// server's address. Calls are one line of JSON in: {"call": "follow", "arguments": [query, variables, headers]} gives
// the id of a subscription, "next" with that id what comes of it next, "leave" ends it.
import { createInterface } from 'node:readline';
import { createClient as overEvents } from 'graphql-sse';
import { createClient as overSocket } from 'graphql-ws';
import WebSocket from 'ws';

const [which, address] = process.argv.slice(2);
const clients = {
  'graphql-ws': headers =>
    overSocket({
      url: `${address.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: headers,
      retryAttempts: 0,
    }),
  'graphql-sse': headers => overEvents({ url: `${address}/graphql`, headers, retryAttempts: 0 }),
};
const results = [];

const calls = {
  follow(query, variables, headers) {
    results.push(clients[which](headers).iterate({ query, variables }));
    return results.length - 1;
  },
  async next(id) {
    const { done, value } = await results[id].next();
    return done ? 'complete' : value;
  },
  async leave(id) {
    await results[id].return();
    return null;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, arguments: given } = JSON.parse(line);
  const result = await Promise.resolve()
    .then(() => calls[call](...given))
    .then(
      gave => ({ gave }),
      // graphql-ws throws the list of errors that an operation was refused with.
      error => ({ threw: Array.isArray(error) ? JSON.stringify(error) : String(error) }),
    );
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
