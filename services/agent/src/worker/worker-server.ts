import { spawnSync } from 'node:child_process';
import { setPriority } from 'node:os';
import type { SqlEngine } from '@muster/tables';
import type { QueryRequest, WorkerReply, WorkerRequest } from './messages.js';
import type { PathNote } from './path-note.js';
import { WorkerGate } from './worker-gate.js';
import { runChecks } from './run-checks.js';
import { runRequest } from './run-request.js';

/** What serves the actions of a worker process. */
export interface ActionServer {
  run(request: Extract<WorkerRequest, { t: 'action' }>): Promise<void>;
  abort(isLate: boolean): void;
  kept(fault: string | undefined): void;
}

export interface WorkerServerOptions {
  readonly note: PathNote;
  /** Loaded with the first statement, which calls `onLook` often. */
  readonly openEngine: (onLook: () => void) => Promise<SqlEngine>;
  /** Called before each statement. */
  readonly prepare?: (query: Pick<QueryRequest, 'about' | 'traffic' | 'events'>) => void;
  /** Loaded with the first action. */
  readonly openActions?: (reply: (message: WorkerReply) => void) => Promise<ActionServer>;
}

/** Of 19: other programs of the machine go first. */
const SCAN_NICE = 10;
const LONG_QUERY_NICE = 19;

/** The worker's side: does one thing at a time for the agent that started this process, until that agent ends. */
export function serveAgent({ note, openEngine, prepare, openActions }: WorkerServerOptions): void {
  if (process.send === undefined) throw new Error('this is the part of the agent that the agent starts by itself');
  const reply = (message: WorkerReply): void => void process.send?.(message, undefined, undefined, () => {});
  // `process.exit` would wait for a call that hangs.
  const end = (): void => void process.kill(process.pid, 'SIGKILL');
  const gate = new WorkerGate({ parent: () => process.ppid, end });
  let engine: Promise<SqlEngine> | undefined;
  let actions: Promise<ActionServer> | undefined;
  process.on('message', (request: WorkerRequest) => {
    switch (request.t) {
      case 'query':
        void (engine ??= openEngine(gate.pass)).then((opened) => {
          if (request.query.budget.priority === 'low') lowerPriority(LONG_QUERY_NICE);
          reply({ t: 'started' });
          prepare?.(request.query);
          note.begin(request.hung);
          reply(runRequest(opened, request.query, (rows) => reply({ t: 'rows', rows }), note));
        });
        return;
      case 'checks':
        void (engine ??= openEngine(gate.pass)).then((opened) => {
          lowerPriority(SCAN_NICE);
          reply({ t: 'started' });
          prepare?.(request.scan);
          runChecks(opened, request, (rows) => reply({ t: 'rows', rows }), note);
          reply({ t: 'done', columns: [] });
        });
        return;
      case 'action':
        note.begin(request.hung);
        void (actions ??= openActions?.(reply))?.then((opened) => opened.run(request));
        return;
      case 'abort':
        return void actions?.then((opened) => opened.abort(request.isLate));
      case 'kept':
        return void actions?.then((opened) => opened.kept(request.fault));
    }
  });
  // The agent has ended.
  process.on('disconnect', end);
  // A terminal or a service manager signals the whole group; the agent ends its workers when they are done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
}

/**
 * What is in no hurry must not be felt. Only root could raise it again, so the agent ends this process afterwards.
 * Called when the engine is loaded: on a machine that is busy, one of low priority would not be ready in time.
 */
function lowerPriority(nice: number): void {
  try {
    setPriority(nice);
  } catch {
    // Where the system does not allow it, the budget alone bounds it.
  }
  // The disk is its own only while nobody else wants it (ioprio_set(2), class 3). Node has no call for that.
  if (process.platform === 'linux' && nice === LONG_QUERY_NICE)
    spawnSync('ionice', ['-c', '3', '-p', String(process.pid)], { stdio: 'ignore', timeout: 1_000 });
}
