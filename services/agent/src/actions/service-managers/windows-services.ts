import type { ServiceManager, ServiceView } from './service-manager.js';
import type { ActionCall, ProgramResult } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop } from '../contract/settle.js';
import { pollUntil } from '../contract/poll-until.js';
import { SYSTEM32 } from '../../host/windows-programs.js';

const STATE_WAIT = { timeoutMs: 30_000, intervalMs: 250 };
const SC = `${SYSTEM32}sc.exe`;
/** ERROR_SERVICE_DOES_NOT_EXIST. */
const UNKNOWN = 1060;
/** STATE numbers of `sc query`. They do not depend on the language of Windows. */
const STOPPED = 1;
const RUNNING = 4;

/** Without these nothing starts, nobody can log in, or the agent cannot reach its gateway. */
const CRITICAL = new Set(
  [
    'rpcss',
    'dcomlaunch',
    'rpceptmapper',
    'lsm',
    'samss',
    'eventlog',
    'plugplay',
    'power',
    'profsvc',
    'bfe',
    'mpssvc',
  ].concat(['nsi', 'dhcp', 'dnscache', 'netman', 'winmgmt', 'schedule', 'gpsvc', 'cryptsvc', 'musteragent']),
);

/** The Windows service control manager, through sc.exe. */
export const serviceControl: ServiceManager = {
  kind: 'the service control manager',

  async find({ host, signal }, name) {
    const { code, stdout } = await host.run(SC, ['queryex', name], { signal });
    if (code === UNKNOWN) return undefined;
    if (code !== 0) throw new ActionStop(failed('program_failed', `sc.exe ended with ${code}: ${stdout.trim()}`));
    const state = Number(/^\s*STATE\s*:\s*(\d+)/m.exec(stdout)?.[1] ?? /:\s*(\d+)\s+[A-Z_]+\s*$/m.exec(stdout)?.[1]);
    const config = await host.run(SC, ['qc', name, '8192'], { signal });
    const view: ServiceView = {
      id: name,
      running: state === RUNNING ? true : state === STOPPED ? false : undefined,
      status: STATES[state] ?? `in state ${state}`,
      definition: /^\s*BINARY_PATH_NAME\s*:\s*(.*?)\s*$/m.exec(config.stdout)?.[1] ?? '',
    };
    return CRITICAL.has(name.toLowerCase())
      ? { ...view, protectedBecause: `Windows or the agent needs ${name}` }
      : view;
  },

  async change(call, service, verb) {
    if (verb !== 'restart') return control(call, service, verb);
    const stopped = await control(call, service, 'stop');
    // 1062: the service was not running.
    if (stopped.code !== 0 && stopped.code !== 1062) return stopped;
    return control(call, service, 'start');
  },
};

const STATES: Readonly<Record<number, string>> = {
  1: 'stopped',
  2: 'starting',
  3: 'stopping',
  4: 'running',
  5: 'continuing',
  6: 'pausing',
  7: 'paused',
};

/** sc.exe returns before the change is done, so wait for the new state. */
async function control(call: ActionCall, { id }: ServiceView, verb: 'start' | 'stop'): Promise<ProgramResult> {
  const { host, signal } = call;
  const result = await host.run(SC, [verb, id], { signal });
  if (result.code !== 0) return result;
  await pollUntil(call, STATE_WAIT, async () => {
    const view = await serviceControl.find(call, id, verb);
    return view?.running === (verb === 'start');
  });
  return result;
}
