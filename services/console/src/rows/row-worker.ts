import { client } from '../api/client.js';
import type { FromStream, ToStream } from '../stream/protocol.js';
import { csvLine } from './csv.js';
import { pickRows } from './pick-rows.js';
import type { FromWorker, Line, ToWorker } from './protocol.js';
import { QueryReader } from './query-reader.js';
import { cellOf } from './row-filter.js';
import type { Value } from './row-store.js';

/** The worker that holds the rows of one page: reading, sorting and filtering never keep the page from drawing. */

interface Scope {
  postMessage(message: FromWorker): void;
  close(): void;
  onmessage: ((message: MessageEvent<ToWorker>) => void) | null;
}
const scope = globalThis as unknown as Scope;

/** How often a page is told how it stands. */
const TELL_MS = 100;
const KEY = 'query';

const reader = new QueryReader();
let slice = { from: 0, to: 0 };
let version = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let toldAt = 0;
let reading: MessagePort | undefined;
/** A reader that lives says so. */
const PING_MS = 20_000;

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case 'open':
      follow(data.queryId, data.stream);
      break;
    case 'close':
      reading?.postMessage({ kind: 'bye' } satisfies ToStream);
      scope.close();
      break;
    case 'view':
      version = data.version;
      reader.view.show(data.view);
      tell();
      break;
    case 'take':
      reader.view.takeAll();
      tell();
      break;
    case 'slice':
      slice = { from: data.from, to: data.to };
      sendSlice();
      break;
    default:
      scope.postMessage({ kind: 'answer', request: data.request, answer: answerTo(data) });
  }
};

function follow(queryId: string, stream: MessagePort): void {
  stream.onmessage = ({ data }: MessageEvent<FromStream>) => {
    if (data.kind === 'link') reader.takeLink(data.link);
    else {
      reader.take(data.event);
      reader.view.takeAppended();
      if (data.event.event === 'ended') takeMerged().catch(() => undefined);
    }
    tellSoon();
  };
  reading = stream;
  setInterval(() => stream.postMessage({ kind: 'unsubscribe', key: '' } satisfies ToStream), PING_MS);
  const subscribe: ToStream = { kind: 'subscribe', key: KEY, subscription: { kind: 'query', queryId } };
  stream.postMessage(subscribe);
}

/** A retry has its own rows only; when it has ended, the server has them merged with those of the queries before it. */
async function takeMerged(): Promise<void> {
  const { query } = reader.state();
  if (query?.retryOf === undefined) return;
  const lines = client.lines('GET /v1/queries/{id}/rows', { params: { id: query.id }, query: { merged: 'true' } });
  const rows: unknown[] = [];
  for await (const line of lines) if (!('columns' in line)) rows.push(line);
  reader.replaceRows((store) => {
    for (const line of rows) {
      if ((line as { index?: number }).index === undefined) {
        const row = line as { num: number; agentId: string | null; host: string | null; values: Value[] };
        store.add(row, [row.values]);
      } else store.addGroups([line as Parameters<typeof store.addGroups>[0][number]]);
    }
  });
  tell();
}

/** At once when it was quiet, and at most every {@link TELL_MS}. */
function tellSoon(): void {
  if (timer !== undefined) return;
  timer = setTimeout(tell, Math.max(0, toldAt + TELL_MS - performance.now()));
}

function tell(): void {
  clearTimeout(timer);
  timer = undefined;
  toldAt = performance.now();
  scope.postMessage({ kind: 'state', state: { ...reader.state(), version: reader.version * 1_000_000 + version } });
  sendSlice();
}

function sendSlice(): void {
  const lines: Line[] = [];
  for (let place = slice.from; place < Math.min(slice.to, reader.view.length); place += 1) {
    const line = lineAt(place);
    if (line !== undefined) lines.push(line);
  }
  scope.postMessage({ kind: 'slice', version: reader.version * 1_000_000 + version, from: slice.from, lines });
}

function lineAt(place: number): Line | undefined {
  const { view, store } = reader;
  if (view.groups !== undefined) {
    const group = view.groups[place];
    return group && { place, group, values: [] };
  }
  const row = view.rowAt(place);
  if (row === undefined) return undefined;
  const num = store.owner(row);
  const name = store.ownerName(row);
  const endpoint = num === undefined ? undefined : { num, agentId: name?.agentId ?? null, host: name?.host ?? null };
  return { place, values: store.values(row), ...(endpoint === undefined ? store.group(row) : { endpoint }) };
}

type Question = Extract<ToWorker, { readonly request: number }>;

function answerTo(question: Question): unknown {
  switch (question.kind) {
    case 'failures':
      return reader.failures.list(question.outcome, question.message);
    case 'endpoints':
      return endpointsWithRows();
    case 'csv':
      return csvOf(question.keys, question.names);
    case 'failuresCsv':
      return new Blob(
        [
          csvLine(['agent_id', 'host', 'outcome', 'code', 'message']),
          ...reader.failures
            .list(undefined)
            .map(({ agentId, host, outcome, code, message }) => csvLine([agentId, host, outcome, code, message])),
        ],
        { type: 'text/csv' },
      );
    case 'pick':
      return pickRows(reader, question.first);
  }
}

function endpointsWithRows(): unknown {
  const { store } = reader;
  const rows = new Map<number, number>();
  for (let row = 0; row < store.length; row += 1) {
    const num = store.owner(row);
    if (num !== undefined) rows.set(num, (rows.get(num) ?? 0) + 1);
  }
  return [...rows].map(([num, count]) => ({
    num,
    rows: count,
    ...(store.endpoints.get(num) ?? { agentId: null, host: null }),
  }));
}

/** The rows of the view as it is shown, all of them. */
function csvOf(keys: readonly (number | `@${string}`)[], names: readonly string[]): Blob {
  const { view, store } = reader;
  const parts: string[] = [csvLine(names)];
  for (let place = 0; place < view.length; place += 1) {
    const group = view.groups?.[place];
    const row = view.rowAt(place);
    if (group !== undefined) parts.push(csvLine([group.value, group.rows, group.endpoints]));
    else if (row !== undefined) parts.push(csvLine(keys.map((key) => cellOf(store, row, key as never))));
  }
  return new Blob(parts, { type: 'text/csv' });
}
