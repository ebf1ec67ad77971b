import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach } from '@jest/globals';
import { FRAME, decodeBody, type QueryBody, type QueryEndBody, type SessionMode } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { PackRunner, type PackTrust } from '../capabilities/queries/pack-runner.js';
import { PackStore } from '../capabilities/queries/pack-store.js';
import { QueryDenylist } from '../capabilities/queries/query-denylist.js';
import { QueryHandler } from '../capabilities/queries/query-handler.js';
import { QueryRunner } from '../capabilities/queries/query-runner.js';
import type { SendResult } from '../contract/session.js';
import type { MachineLoad } from '../worker/machine-load.js';
import { WorkerPool } from '../worker/worker-pool.js';
import { WorkerProcesses } from '../worker/worker-processes.js';

/** A statement that does not end by itself. */
export const FOREVER = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS x FROM c';
export const BUDGET = { ms: 10_000, rows: 10_000, bytes: 4 * 1024 * 1024 };

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A frame that the agent sent. */
export interface Sent {
  readonly type: number;
  readonly ref: number;
  readonly body: Uint8Array;
  readonly flags: number;
}

/** A folder for the files of one test file. */
export const scratch = mkdtempSync(join(tmpdir(), 'muster-agent-'));

const FIXTURE = fileURLToPath(new URL('./fixture-worker.js', import.meta.url));

function createProcesses(env: Record<string, string> = {}, args = [FIXTURE]): WorkerProcesses {
  return new WorkerProcesses({
    args,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    folder: scratch,
    idleMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
  });
}

// Loading SQLite takes most of a test's time, so that tests share a process; those that kill it leave the next one a new one.
const shared = createProcesses();
afterAll(async () => {
  await shared.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/**
 * An agent's query side with a worker that runs the fixture tables, and a connection that takes everything unless told
 * otherwise.
 */
export function createAgent(
  options: {
    folder?: string;
    workers?: number;
    maxBudget?: typeof BUDGET;
    maxQueued?: number;
    maxHeldBytes?: number;
    env?: Record<string, string>;
    args?: string[];
    /** It runs packs, of whom this says. */
    trust?: PackTrust;
    checkMs?: number;
    maxLowMs?: number;
    load?: MachineLoad;
    mode?: SessionMode;
  } = {},
) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'muster-agent-'));
  if (options.folder === undefined) cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const denylist = new QueryDenylist({ folder, clock: systemClock, logger: silentLogger });
  denylist.load();
  const sent: Sent[] = [];
  let wake = (): void => {};
  const connection = {
    result: 'sent' as SendResult,
    send(type: number, ref: number, body: Uint8Array, { flags = 0 }: { flags?: number } = {}): SendResult {
      if (connection.result === 'sent') sent.push({ type, ref, body: Uint8Array.from(body), flags });
      wake();
      return connection.result;
    },
  };
  const processes = options.env === undefined ? shared : createProcesses(options.env, options.args);
  if (processes !== shared) cleanups.push(() => processes.stop());
  processes.onChange(() => wake());
  const runner = new QueryRunner({
    denylist,
    clock: systemClock,
    maxBudget: options.maxBudget ?? BUDGET,
    maxLowMs: options.maxLowMs ?? 600_000,
    ...(options.maxQueued === undefined ? {} : { maxQueued: options.maxQueued }),
    ...(options.maxHeldBytes === undefined ? {} : { maxHeldBytes: options.maxHeldBytes }),
    createPool: (kind, onRoom) =>
      new WorkerPool({
        processes,
        workers: kind === 'low' ? 1 : (options.workers ?? 1),
        ...(options.load === undefined ? {} : { load: options.load }),
        clock: systemClock,
        logger: silentLogger,
        onRoom: () => {
          onRoom();
          wake();
        },
      }),
  });
  const common = { clock: systemClock, logger: silentLogger };
  const packs =
    options.trust === undefined
      ? {}
      : {
          packs: new PackRunner({
            ...{ ...common, trust: options.trust, processes, checkMs: options.checkMs ?? BUDGET.ms },
            store: new PackStore({ folder, logger: silentLogger }),
          }),
        };
  const handler = new QueryHandler({ ...common, runner, ...packs });
  handler.ready({ mode: options.mode ?? 'live', serverTimeMs: 1, send: (...frame) => connection.send(...frame) });
  cleanups.push(() => handler.ended());
  const until = async <T>(look: () => T | undefined | false): Promise<T> => {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return {
    folder,
    denylist,
    sent,
    connection,
    runner,
    handler,
    until,
    poolSize: () => processes.size,
    workerPids: () => processes.pids,
    ask(ref: number, sql: string, columns: string[], body: Partial<QueryBody> = {}): void {
      const whole = { id: `q${ref}`, sql, columns, remainingMs: 20_000, budget: BUDGET, credit: 10_000_000, ...body };
      handler.frames.query!(whole, ref);
    },
    credit: (ref: number, bytes: number) => handler.frames.credit!({ bytes }, ref),
    cancel: (ref: number) => handler.frames.cancel!({ reason: 'test' }, ref),
    /** Resolves with how query `ref` ended: its rows, or its QUERY_END. */
    outcome: (ref: number) =>
      until(() => {
        const mine = sent.filter((frame) => frame.ref === ref);
        const end = mine.find((frame) => frame.type === FRAME.queryEnd);
        if (end !== undefined) {
          const decoded = decodeBody('queryEnd', end.body);
          return decoded.ok ? (decoded.body as Partial<QueryEndBody> & { frames?: Sent[] }) : undefined;
        }
        return mine.some((frame) => frame.flags === 1) ? { frames: mine } : undefined;
      }),
  };
}
