// The GraphiQL page: reads its settings from the root element, so that no script is ever inline.
import { setNonce } from 'get-nonce';
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import './page.css';
import { GraphQLError, Kind, OperationTypeNode, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { demandFilled, learn, Newcomer, plainly } from './newcomer.js';

const root = document.getElementById('graphiql');
const { endpoint, examples } = JSON.parse(root.dataset.config);

// Tabs hold passwords and tokens: they live as long as the browser tab and survive a reload in it.
const storage = window.sessionStorage;

// Dialogs and menus add one <style> element while open (it stops the page behind them from scrolling).
// The nonce of our own style sheet admits it, so that the policy needs no 'unsafe-inline'.
setNonce(document.querySelector('link[rel=stylesheet]').nonce);

/** A WebSocket connection has no headers of its own: the header editor's go into connection_init. */
function connectionParams(headers) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [/^authorization$/i.test(name) ? 'Authorization' : name, value]),
  );
}

function subscribe(params, headers) {
  const url = new URL(endpoint, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const client = createClient({ url: url.href, connectionParams: connectionParams(headers), retryAttempts: 0 });
  return {
    subscribe(observer) {
      const stop = client.subscribe(params, {
        next: (result) => observer.next(result),
        complete: () => observer.complete(),
        // A refused connection arrives as a CloseEvent, which would print as {"isTrusted": true}.
        error: (cause) =>
          observer.error(
            cause instanceof CloseEvent ? plainly(`Socket closed: ${cause.code} ${cause.reason}`.trim()) : cause,
          ),
      });
      return { unsubscribe: stop };
    },
  };
}

async function post(params, headers) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's error page is not JSON; its status says more than the parser's complaint.
    throw plainly(`HTTP ${response.status} ${response.statusText}: ${text.slice(0, 200)}`);
  }
}

async function request(params, headers) {
  const answer = await post(params, headers);
  await learn(answer, storage, post);
  return answer;
}

function operationsOf(query) {
  try {
    return parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch (cause) {
    if (cause instanceof GraphQLError) return []; // The server explains syntax errors.
    throw cause;
  }
}

// What GraphiQL knows of the document, its operation's name included, lags behind the editor by a moment: run
// right after a change of tabs, it asks for the operation of the tab before. The text itself is what counts.
function fetcher(params, { headers = {} } = {}) {
  demandFilled(params, headers);
  const operations = operationsOf(params.query);
  const operationName = operations.length === 1 ? operations[0].name?.value : params.operationName;
  const chosen = operations.find(({ name }) => name?.value === operationName);
  const ask = chosen?.operation === OperationTypeNode.SUBSCRIPTION ? subscribe : request;
  return ask({ ...params, operationName }, headers);
}

/** JSON in as few lines as the width of the editors allows: they are low. */
function asJson(value, indent = '', before = 0) {
  const line = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, ' ');
  if (indent && indent.length + before + line.length <= 56) return line;
  const deeper = `${indent}  `;
  if (Array.isArray(value)) return `[\n${value.map((item) => deeper + asJson(item, deeper)).join(',\n')}\n${indent}]`;
  if (value === null || typeof value !== 'object') return line;
  const members = Object.entries(value).map(
    ([name, member]) => `${deeper}${JSON.stringify(name)}: ${asJson(member, deeper, name.length + 4)}`,
  );
  return `{\n${members.join(',\n')}\n${indent}}`;
}

const tabs = examples.map(({ query, variables, headers }) => ({
  query: query.join('\n'),
  variables: asJson(variables),
  headers: asJson(headers),
}));

// At the first visit GraphiQL 4 fills the editors from storage, not from the first tab: its variables would
// stay empty, and a reload would open one more, empty tab.
if (storage.getItem('graphiql:tabState') === null) {
  storage.setItem('graphiql:query', tabs[0].query);
  storage.setItem('graphiql:variables', tabs[0].variables ?? '');
}

createRoot(root).render(
  createElement(
    GraphiQL,
    {
      fetcher,
      defaultTabs: tabs,
      storage,
      shouldPersistHeaders: true,
      showPersistHeadersSettings: false,
      defaultEditorToolsVisibility: true,
      inputValueDeprecation: true,
      schemaDescription: true,
    },
    createElement(GraphiQL.Logo, null, 'Dashi', createElement(Newcomer, { storage })),
  ),
);
