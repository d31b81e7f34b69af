// A program on the generated types: reads what it is to send as JSON from standard input, asks as it is typed to ask,
// and writes what it was answered. `tsc --strict` refuses each line after a @ts-expect-error.
import { text } from 'node:stream/consumers';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import {
  AddWebsiteDocument,
  CollectDocument,
  DashboardDocument,
  EventPageDocument,
  FollowDocument,
  LogInDocument,
  RunReportDocument,
  SaveReportDocument,
  type EventFilter,
  type EventPageQuery,
  type FollowSubscription,
  type PeriodInput,
  type TrackInput,
  type TypedDocumentString,
} from './generated/graphql.js';

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions: { code: string; field?: string } }[];
}

interface Given {
  url: string;
  username: string;
  password: string;
  hits: Omit<TrackInput, 'website'>[];
}

const given: Given = JSON.parse(await text(process.stdin));
let token = '';

async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  const response = await fetch(given.url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  return response.json();
}

async function data<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const answer = await ask(document, variables);
  if (!answer.data || answer.errors) throw new Error(JSON.stringify(answer));
  return answer.data;
}

function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('missing in the answer');
  return value;
}

const { username, password } = given;
token = present((await data(LogInDocument, { username, password })).login).token;

const input = { name: 'Typed', domain: 'typed.example' };
const website = present((await data(AddWebsiteDocument, { input })).createWebsite);
const site: string = website.id;

const hits: TrackInput[] = given.hits.map((hit) => ({ ...hit, website: site }));
const collected = present((await data(CollectDocument, { hits })).trackBatch);

const period: PeriodInput = { start: '2026-11-10', end: '2026-11-11', timezone: 'Europe/Vienna' };
const dashboard = await data(DashboardDocument, { site, period });

const where: EventFilter = {
  country: { in: ['US', 'FR'] },
  or: [{ path: { startsWith: '/pri' } }, { not: { browser: { eq: 'chrome' } } }],
};
const filtered = await data(DashboardDocument, { site, period, where });

type Page = NonNullable<NonNullable<NonNullable<EventPageQuery['website']>['analytics']>['events']>;

async function page(after: string | null): Promise<Page> {
  const answer = await data(EventPageDocument, { site, period, after, where: { property: { key: 'n', gte: 1 } } });
  return present(present(present(answer.website).analytics).events);
}

const pages: Page['nodes'][] = [];
for (let after: string | null = null, more = true; more; ) {
  const one = await page(after);
  pages.push(one.nodes);
  after = one.pageInfo.endCursor;
  more = one.pageInfo.hasNextPage;
}

const parameters = {
  dateRange: { startDate: '2026-11-10T00:00:00Z', endDate: '2026-11-11T23:59:59Z' },
  window: 60,
  steps: [
    { type: 'url', value: '/' },
    { type: 'event', value: 'signup' },
  ],
};
const report = present(
  (await data(SaveReportDocument, { site, input: { type: 'FUNNEL', name: 'Signups', parameters } })).createReport,
);
const result = present((await data(RunReportDocument, { id: report.id })).savedReport).result;
// The union is told apart by its type's name, and only then has the fields of one.
const steps = result?.__typename === 'Funnel' ? result.steps : [];
const visitors: number[] = steps.map((step) => step.visitors);
const remaining: (number | null)[] = steps.map((step) => step.remaining);

// Browsers have a WebSocket of their own; there `webSocketImpl` is left out.
const live = createClient({
  url: given.url.replace(/^http/, 'ws'),
  connectionParams: { Authorization: `Bearer ${token}` },
  webSocketImpl: WebSocket,
});
const pushes: FollowSubscription['liveTotals'][] = [];
const query = FollowDocument.toString();
for await (const push of live.iterate<FollowSubscription>({ query, variables: { site, period } })) {
  pushes.push(present(push.data).liveTotals);
  if (pushes.length === 2) break;
  await data(CollectDocument, { hits: [{ ...present(given.hits[2]), website: site }] });
}
await live.dispose();

const refused = await ask(DashboardDocument, { site: '0', period });

// What must not compile, since the server would refuse it or the value may not be there.
export const mistakes = async (): Promise<void> => {
  // @ts-expect-error LastPeriod has no such value
  await ask(DashboardDocument, { site, period: { last: 'DAYS_8' } });
  // @ts-expect-error an operator is an object
  await ask(DashboardDocument, { site, period, where: { country: 'US' } });
  // @ts-expect-error there is no such field to filter by
  await ask(DashboardDocument, { site, period, where: { planet: { eq: 'Earth' } } });
  // @ts-expect-error the website is required
  await ask(DashboardDocument, { period });
  // @ts-expect-error a hit has a website
  const hit: TrackInput = { url: '/' };
  // @ts-expect-error a part that failed is null
  const name: string = dashboard.website.name;
  // @ts-expect-error only a funnel has steps
  console.log(hit, name, result?.steps);
};

process.stdout.write(
  JSON.stringify({ website, collected, dashboard, filtered, pages, report, visitors, remaining, pushes, refused }),
);
