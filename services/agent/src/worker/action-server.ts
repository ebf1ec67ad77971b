import { findAction } from '@muster/actions';
import { type Logger, systemClock } from '@muster/runtime/program';
import type { ActionCall, ActionHost, ActionResult } from '../actions/contract/action.js';
import { Protection } from '../actions/contract/protection.js';
import { failed, unsupported } from '../actions/contract/results.js';
import { runProgram } from '../actions/contract/run-program.js';
import { createActions } from '../actions/create-actions.js';
import type { ActionRequest, LogLevel, WorkerReply } from './messages.js';
import type { PathNote } from './path-note.js';
import type { ActionServer } from './worker-server.js';

/** The worker's side of actions: runs one at a time. */
export function serveActions(reply: (message: WorkerReply) => void, note: PathNote): ActionServer {
  let abort = new AbortController();
  let onKept: (fault: string | undefined) => void = () => {};
  const act = async (request: ActionRequest): Promise<ActionResult> => {
    const action = findAction(request.action);
    if (action === undefined) return unsupported('unknown_action', `this agent has no ${request.action}`);
    const host = createHost(request.host, reply, note);
    const { params, binding, dryRun, id, number, undo } = request;
    const call: ActionCall = {
      action,
      params,
      ...(binding !== undefined && { binding }),
      dryRun,
      signal: abort.signal,
      id,
      number,
      host,
      keepUndo: (info) =>
        new Promise((resolve, reject) => {
          onKept = (fault) => (fault === undefined ? resolve() : reject(new Error(fault)));
          reply({ t: 'keep', info });
        }),
    };
    const actions = createActions(host);
    return undo === undefined ? actions.run(call) : actions.undo(call, undo.action, undo.kept);
  };
  return {
    async run({ call }) {
      abort = new AbortController();
      const result = await act(call).catch((error: unknown) => failed('internal', String(error)));
      reply({ t: 'result', result });
    },
    abort: (isLate) =>
      abort.abort(
        isLate ? new DOMException('its time ran out', 'TimeoutError') : new DOMException('stopped', 'AbortError'),
      ),
    kept: (fault) => onKept(fault),
  };
}

function createHost(
  { platform, dataDir, agentPids, protect, gatewayPeers, env }: ActionRequest['host'],
  reply: (message: WorkerReply) => void,
  note: PathNote,
): ActionHost {
  return {
    platform,
    dataDir,
    agentPids,
    run: (file, args, options) => {
      // From here on it is the program that may take its time.
      note.set('');
      return runProgram(file, args, options, env);
    },
    touch: note.set,
    protect: new Protection(protect, platform),
    gatewayPeers: () => gatewayPeers,
    // The agent runs the actions for these itself.
    labels: { read: () => ({}), write: notHere },
    refusedQueries: { matching: notHere, allow: notHere },
    logger: createLogger(reply),
    clock: systemClock,
  };
}

function notHere(): never {
  throw new Error('a worker process has neither labels nor a denylist');
}

function createLogger(reply: (message: WorkerReply) => void): Logger {
  const at =
    (level: LogLevel): Logger['info'] =>
    (message, fields = {}) =>
      reply({ t: 'log', level, message, fields });
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('error'),
    child: () => logger,
  };
  return logger;
}
