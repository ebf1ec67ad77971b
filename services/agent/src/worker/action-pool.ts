import type { ActionCall, ActionHost, ActionResult, JsonValue } from '../actions/contract/action.js';
import { failed, refused, stopped } from '../actions/contract/results.js';
import type { Actions } from '../actions/create-actions.js';
import type { ActionRequest, WorkerReply } from './messages.js';
import type { WorkerExit, WorkerProcess } from './worker-process.js';
import type { WorkerProcesses } from './worker-processes.js';

export interface ActionPoolOptions {
  readonly host: ActionHost;
  readonly processes: WorkerProcesses;
  /** `MUSTER_AGENT_PROTECT` */
  readonly protect: readonly string[];
  /** The environment of programs, where it is not the usual one. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Actions on the agent itself, which touch nothing outside its data directory but the firewall. They run in the agent. */
const ON_THE_AGENT: ReadonlySet<string> = new Set([
  'agent.set_labels',
  'agent.allow_query',
  'host.isolate',
  'host.release',
]);

/** Runs actions on the machine in worker processes, one process for each, because whatever touches files may hang. */
export class ActionPool implements Actions {
  readonly #options: ActionPoolOptions;

  constructor(options: ActionPoolOptions) {
    this.#options = options;
  }

  async run(call: ActionCall): Promise<ActionResult> {
    return ON_THE_AGENT.has(call.action.name) ? (await this.#own()).run(call) : this.#inProcess(call, undefined);
  }

  async undo(call: ActionCall, originalAction: string, kept: JsonValue): Promise<ActionResult> {
    return ON_THE_AGENT.has(originalAction)
      ? (await this.#own()).undo(call, originalAction, kept)
      : this.#inProcess(call, { action: originalAction, kept });
  }

  async #own(): Promise<Actions> {
    return (await import('../actions/create-actions.js')).createActions(this.#options.host);
  }

  #inProcess(call: ActionCall, undo: ActionRequest['undo']): Promise<ActionResult> {
    const { processes } = this.#options;
    if (call.signal.aborted) return Promise.resolve(stopped(call.signal));
    const fault = processes.fault ?? (processes.hasRoom ? undefined : 'too many worker processes are being ended');
    if (fault !== undefined) return Promise.resolve(refused('workers_stuck', fault));
    return new Promise((resolve) => {
      const worker = processes.take();
      const run = new RunningAction(call, worker, (result, { canContinue }) => {
        if (canContinue) processes.release(worker);
        resolve(result);
      });
      worker.use(run);
      call.onGivenUp?.(() => {
        const path = worker.lastPath();
        processes.abandon(worker, { path, mayFinish: true });
        return path;
      });
      worker.send({ t: 'action', call: this.#request(call, undo), hung: processes.hung });
    });
  }

  #request({ action, params, binding, dryRun, id, number }: ActionCall, undo: ActionRequest['undo']): ActionRequest {
    const { host, protect, env } = this.#options;
    const { platform, dataDir, agentPids } = host;
    return {
      action: action.name,
      params,
      ...(binding !== undefined && { binding }),
      dryRun,
      id,
      number,
      ...(undo !== undefined && { undo }),
      host: {
        platform,
        dataDir,
        agentPids,
        protect,
        gatewayPeers: host.gatewayPeers(),
        ...(env !== undefined && { env }),
      },
    };
  }
}

/** `canContinue`: the process can take the next task. */
type OnResult = (result: ActionResult, about: { readonly canContinue: boolean }) => void;

/** One action in its process, until it has a result. */
class RunningAction {
  readonly #call: ActionCall;
  readonly #worker: WorkerProcess;
  readonly #onResult: OnResult;
  readonly #abort: () => void;

  constructor(call: ActionCall, worker: WorkerProcess, onResult: OnResult) {
    this.#call = call;
    this.#worker = worker;
    this.#onResult = onResult;
    this.#abort = () => worker.send({ t: 'abort', isLate: isTimeout(call.signal) });
    call.signal.addEventListener('abort', this.#abort, { once: true });
  }

  onMessage(reply: WorkerReply): void {
    switch (reply.t) {
      case 'keep':
        return void this.#keep(reply.info);
      case 'log':
        return this.#call.host.logger[reply.level](reply.message, reply.fields as Record<string, unknown>);
      case 'result':
        return this.#end(reply.result, true);
      default:
    }
  }

  onExit({ code, signal, error }: WorkerExit): void {
    const { host, id, action } = this.#call;
    const how = error?.message ?? signal ?? `exit code ${code}`;
    host.logger.error('the process of an action ended', { command: id, action: action.name, how });
    const message =
      error === undefined
        ? `the process that ran it ended (${how}); what it did before is not known`
        : `its process could not be started (${how}); nothing was changed`;
    this.#end(failed('internal', message), false);
  }

  async #keep(info: JsonValue): Promise<void> {
    try {
      await this.#call.keepUndo(info);
      this.#worker.send({ t: 'kept' });
    } catch (error) {
      this.#worker.send({ t: 'kept', fault: error instanceof Error ? error.message : String(error) });
    }
  }

  #end(result: ActionResult, canContinue: boolean): void {
    this.#call.signal.removeEventListener('abort', this.#abort);
    this.#onResult(result, { canContinue });
  }
}

function isTimeout(signal: AbortSignal): boolean {
  return (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError';
}
