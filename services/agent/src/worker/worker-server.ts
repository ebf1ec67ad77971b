import type { SqlEngine } from '@muster/tables';
import type { QueryRequest, WorkerReply, WorkerRequest } from './messages.js';
import type { PathNote } from './path-note.js';
import { runRequest } from './run-request.js';

/** What serves the actions of a worker process. */
export interface ActionServer {
  run(request: Extract<WorkerRequest, { t: 'action' }>): Promise<void>;
  abort(isLate: boolean): void;
  kept(fault: string | undefined): void;
}

export interface WorkerServerOptions {
  readonly note: PathNote;
  /** Loaded with the first statement. */
  readonly openEngine: () => Promise<SqlEngine>;
  /** Called before each statement. */
  readonly prepare?: (query: QueryRequest) => void;
  /** Loaded with the first action. */
  readonly openActions?: (reply: (message: WorkerReply) => void) => Promise<ActionServer>;
}

/** The worker's side: does one thing at a time for the agent that started this process, until that agent ends. */
export function serveAgent({ note, openEngine, prepare, openActions }: WorkerServerOptions): void {
  if (process.send === undefined) throw new Error('this is the part of the agent that the agent starts by itself');
  const reply = (message: WorkerReply): void => void process.send?.(message, undefined, undefined, () => {});
  let engine: Promise<SqlEngine> | undefined;
  let actions: Promise<ActionServer> | undefined;
  process.on('message', (request: WorkerRequest) => {
    switch (request.t) {
      case 'query':
        void (engine ??= openEngine()).then((opened) => {
          reply({ t: 'started' });
          prepare?.(request.query);
          note.begin(request.hung);
          reply(runRequest(opened, request.query, (rows) => reply({ t: 'rows', rows }), note));
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
  // The agent has ended. `process.exit` would wait for a call that hangs.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // A terminal or a service manager signals the whole group; the agent ends its workers when they are done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
}
