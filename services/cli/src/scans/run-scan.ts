import { randomUUID } from 'node:crypto';
import type { ApiClient } from '@muster/api-client';
import type { BodyOf, operations, QueryEvent, QueryJson, ScanJson } from '@muster/api-contract';
import type { Severity } from '@muster/packs';
import type { CommandEnv } from '../environment/command-env.js';
import { stillThere } from '../environment/still-there.js';
import { progressText } from '../query/progress.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { ProgressLine, STALLED_NOTE } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { missingText } from './missing-endpoints.js';
import { renderScan, scanExit } from './render-scan.js';

export interface RunScanOptions {
  readonly output: 'table' | 'json';
  readonly quiet: boolean;
  readonly detach: boolean;
  readonly failOn: Severity | undefined;
}

const CANCEL_MS = 5_000;
/** The outcomes are counted after the query has ended. */
const COUNT_MS = 60_000;
const LOOK_MS = 100;

/** Starts a scan, follows it, and prints what it found. Ctrl-C cancels it; one that waits for absent endpoints goes on. */
export async function runScan(
  env: CommandEnv,
  body: BodyOf<(typeof operations)['startScan']>,
  { output, quiet, detach, failOn }: RunScanOptions,
): Promise<ExitCode> {
  const client = env.client();
  const started = await client.call('POST /v1/scans', { body, idempotencyKey: randomUUID() });
  const { stdout, stderr } = env.terminal;
  if (detach) {
    await stdout.write(`${started.id}\n`);
    return EXIT.complete;
  }
  const line = new ProgressLine(
    quiet ? { ...stderr, isTTY: false } : stderr,
    styleFor(stderr.isTTY, env.terminal.env),
    'scanning',
  );
  const giveUp = new AbortController();
  let isInterrupted = false;
  const offInterrupt = env.terminal.onInterrupt(() => {
    if (isInterrupted || started.waitUntil !== undefined) giveUp.abort();
    else {
      line.note('cancelling');
      const call = { params: { id: started.id }, timeoutMs: CANCEL_MS };
      client.call('DELETE /v1/queries/{id}', call).catch(() => giveUp.abort());
      setTimeout(() => giveUp.abort(), CANCEL_MS).unref();
    }
    isInterrupted = true;
  });
  try {
    const ended = await follow(client, started.id, line, giveUp.signal);
    const scan = ended === undefined ? await show(client, started.id) : await counted(client, started.id);
    line.end();
    await stdout.write(output === 'json' ? `${safeJson(scan)}\n` : renderScan(scan, env.terminal));
    if (!quiet) await stderr.write(await missingText(env, scan));
    if (ended === undefined && started.waitUntil !== undefined)
      await stderr.write(`It goes on: muster scan show ${started.id}, muster queries cancel ${started.id}\n`);
    return isInterrupted ? EXIT.interrupted : scanExit(scan, failOn);
  } catch (error) {
    const { id } = started;
    throw stillThere(env, error, `the scan ${id} may go on: muster scan show ${id}, muster queries cancel ${id}`);
  } finally {
    line.end();
    offInterrupt();
  }
}

/** The query as it ended; `undefined` when its viewer gave up before. */
async function follow(
  client: ApiClient,
  id: string,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<QueryJson | undefined> {
  let query: QueryJson | undefined;
  const call = { params: { id }, signal, onReconnect: () => line.note('connection lost, trying again') };
  try {
    for await (const event of client.events('GET /v1/queries/{id}/events', call)) {
      if (event.event === 'ended') return event.query;
      query = take(event, query, line);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return undefined;
}

function take(event: QueryEvent, query: QueryJson | undefined, line: ProgressLine): QueryJson | undefined {
  if (event.event === 'stalled') line.note(STALLED_NOTE);
  const now = event.event === 'started' ? event.query : query;
  if (event.event === 'started') line.update(progressText(event.query));
  if (event.event === 'progress' && now !== undefined)
    line.update(progressText({ ...now, ledger: event.ledger, polling: event.polling }));
  return now;
}

async function show(client: ApiClient, id: string): Promise<ScanJson> {
  return client.call('GET /v1/scans/{id}', { params: { id } });
}

/** Waits until what was found is counted; it is a moment, unless no posture service runs. */
async function counted(client: ApiClient, id: string): Promise<ScanJson> {
  const untilMs = Date.now() + COUNT_MS;
  for (;;) {
    const scan = await show(client, id);
    if (scan.recorded || Date.now() > untilMs) return scan;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
