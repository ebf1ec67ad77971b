import { existsSync } from 'node:fs';
import type {
  ActionCall,
  ActionImplementation,
  ActionImplementations,
  ActionResult,
  JsonValue,
} from '../contract/action.js';
import { failed, refused, stopped, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import { pollUntil } from '../contract/poll-until.js';
import { ActionStop, settle } from '../contract/settle.js';
import { initScripts } from './init-scripts.js';
import { openrc } from './openrc.js';
import type { ServiceManager, ServiceVerb, ServiceView } from './service-manager.js';
import { systemd } from './systemd.js';

/** A script may report a stopped service shortly before the service stops. */
const STATE_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 100;

const WORDS = {
  start: { done: 'started', running: true, inverse: 'stop' },
  stop: { done: 'stopped', running: false, inverse: 'start' },
  restart: { done: 'restarted', running: true, inverse: undefined },
} as const;

/** The service manager of this machine: systemd if it booted the machine (sd_booted(3)), otherwise OpenRC, otherwise init scripts. */
export function findManager(): ServiceManager | undefined {
  if (existsSync('/run/systemd/system')) return systemd;
  if (existsSync('/run/openrc')) return openrc;
  const folder = ['/etc/init.d', '/etc/rc.d/init.d', '/etc/rc.d'].find((path) => existsSync(path));
  return folder === undefined ? undefined : initScripts(folder);
}

/** The columns of a bound row that name the service and the file that defines it. */
interface ServiceColumns {
  readonly id: string;
  readonly definition: string;
}
const UNIT_COLUMNS: ServiceColumns = { id: 'id', definition: 'fragment_path' };
/** Rows of the tables of Windows and macOS. */
export const SERVICE_COLUMNS: ServiceColumns = { id: 'label', definition: 'path' };

/** `service.stop`, `service.start` and `service.restart`. The default is the service manager of this Linux machine. */
export function serviceActions(
  manager: () => ServiceManager | undefined = findManager,
  columns: ServiceColumns = UNIT_COLUMNS,
): ActionImplementations {
  const implement = (verb: ServiceVerb): ActionImplementation => ({
    run: (call) =>
      settle(call, () => withManager(manager, (found) => control(call, found, verb, targetOf(call, columns)))),
    ...(WORDS[verb].inverse !== undefined && { undo: (call, kept) => undo(call, manager, kept) }),
  });
  return {
    'service.stop': implement('stop'),
    'service.start': implement('start'),
    'service.restart': implement('restart'),
  };
}

interface ServiceTarget {
  readonly name: string;
  /** The file that must define the service. */
  readonly definition?: string;
}

function targetOf({ binding, params }: ActionCall, columns: ServiceColumns): ServiceTarget {
  const name = binding?.[columns.id] ?? binding?.name ?? params.name;
  const definition = binding?.[columns.definition];
  return {
    name: typeof name === 'string' ? name : '',
    ...(typeof definition === 'string' && definition !== '' && { definition }),
  };
}

/** Does the opposite of what was done. */
function undo(call: ActionCall, manager: () => ServiceManager | undefined, kept: JsonValue): Promise<ActionResult> {
  const { name, verb } = kept as { name?: string; verb?: string };
  if (name === undefined || (verb !== 'start' && verb !== 'stop')) {
    return Promise.resolve(failed('nothing_kept', 'what is needed to undo it was not kept'));
  }
  return settle(call, () => withManager(manager, (found) => control(call, found, WORDS[verb].inverse, { name })));
}

async function withManager(
  manager: () => ServiceManager | undefined,
  work: (manager: ServiceManager) => Promise<ActionResult>,
): Promise<ActionResult> {
  const found = manager();
  if (found === undefined)
    return unsupported('no_service_manager', 'neither systemd nor OpenRC nor init scripts are here');
  return work(found);
}

async function control(
  call: ActionCall,
  manager: ServiceManager,
  verb: ServiceVerb,
  { name, definition }: ServiceTarget,
): Promise<ActionResult> {
  const words = WORDS[verb];
  // A row may contain any text, and options of the managers begin with a dash.
  if (name === '' || name.startsWith('-') || name.includes('/'))
    return refused('bad_params', `"${name}" is no name of a service`);
  const before = await manager.find(call, name, verb);
  if (call.signal.aborted) return stopped(call.signal);
  if (before === undefined) return failed('not_found', `${manager.kind} knows no service ${name}`);
  const refusal = refuseChange(call, before, name, definition);
  if (refusal !== undefined) return refusal;
  if (verb !== 'restart' && before.running === words.running)
    return unchanged(`${before.id} is ${before.status} already`);
  if (call.dryRun) {
    return wouldDo(`${before.id} would be ${words.done}`, [`${verb} ${before.id}, which is ${before.status}`]);
  }
  if (verb !== 'restart') await call.keepUndo({ name: before.id, verb });
  const { code, stdout, stderr } = await manager.change(call, before, verb);
  // After a failure the state is read once, without waiting.
  const after = await waitForState(call, manager, before, verb, code === 0 ? STATE_TIMEOUT_MS : 0);
  const isSeen = !(after instanceof ActionStop);
  const effect = `${before.id}: ${before.status} before, ${isSeen ? (after?.status ?? 'gone') : 'not seen'} after`;
  if (call.signal.aborted) return stopped(call.signal, [`told ${manager.kind} to ${verb} ${before.id}`, effect]);
  if (code !== 0)
    return failed('manager_failed', `${manager.kind} did not ${verb} ${before.id}: ${lastLine(stderr, stdout, code)}`, [
      effect,
    ]);
  if (!isSeen) return failed('not_seen', `what became of ${before.id} cannot be seen: ${after.message}`, [effect]);
  if (after !== undefined && after.running === !words.running && verb !== 'start') {
    return failed(
      'no_effect',
      `${manager.kind} said that it had ${words.done} ${before.id}, which is ${after.status}`,
      [effect],
    );
  }
  const woken = verb === 'stop' && before.triggeredBy !== undefined ? [`${before.triggeredBy} may start it again`] : [];
  return succeeded(`${before.id} was ${words.done}`, [effect, ...woken]);
}

function refuseChange(
  call: ActionCall,
  view: ServiceView,
  name: string,
  definition: string | undefined,
): ActionResult | undefined {
  if (definition !== undefined && definition !== view.definition) {
    return refused('changed', `${view.id} is defined by ${view.definition} by now, not by ${definition}`);
  }
  const { protect } = call.host;
  const why = view.protectedBecause ?? protect.name(name, view.id) ?? protect.path(view.definition);
  return why === undefined ? undefined : refused('protected', why);
}

/** Waits until the service has the expected state. Resolves to its last state, or to why that cannot be seen. */
async function waitForState(
  call: ActionCall,
  manager: ServiceManager,
  { id }: ServiceView,
  verb: ServiceVerb,
  timeoutMs: number,
): Promise<ServiceView | ActionStop | undefined> {
  // The outcome is read even when the action is over.
  const reading = { ...call, signal: new AbortController().signal };
  let view: ServiceView | ActionStop | undefined;
  await pollUntil(call, { timeoutMs, intervalMs: POLL_INTERVAL_MS }, async () => {
    view = await manager.find(reading, id, verb).catch((error: unknown) => {
      if (error instanceof ActionStop) return error;
      throw error;
    });
    if (view instanceof ActionStop) return true;
    // A systemd unit that runs once has ended by now.
    if (verb === 'start' && manager.kind === 'systemd') return true;
    return view?.running === undefined || view.running === WORDS[verb].running;
  });
  return view;
}

function lastLine(stderr: string, stdout: string, code: number): string {
  const lines = (stderr.trim() || stdout.trim()).split('\n');
  return lines.at(-1)?.trim() || `it ended with ${code}`;
}
