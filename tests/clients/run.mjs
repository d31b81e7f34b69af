// Runs methods of an unmodified client, `api-client` or `node`, whichever is named on the command line. A call is one
// line of JSON in, {"call", "arguments"}; what came of it is one line of JSON out, {"gave"} or {"threw"}.
import { createInterface } from 'node:readline';
import { UmamiApiClient, getClient } from '@umami/api-client';
import umamiNode from '@umami/node';

const clients = {
  // Its user, secret and endpoint come from the environment.
  'api-client': () => getClient(),
  // Without a bundler the package's default export is one level further down than its README says.
  node: () => umamiNode.default,
};

const which = process.argv[2];
const client = clients[which]();

async function run(name, given) {
  if (name === 'methods') return Object.getOwnPropertyNames(UmamiApiClient.prototype);
  const gave = await client[name](...given);
  return gave instanceof Response ? { status: gave.status, data: await gave.json() } : gave;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, arguments: given } = JSON.parse(line);
  const result = await run(call, given).then(
    gave => ({ gave }),
    error => ({ threw: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
