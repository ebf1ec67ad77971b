import { existsSync } from 'node:fs';
import { System } from '../../tables/contract/system.js';
import { parseShow } from '../../tables/linux/parse/systemd.js';
import type { ActionCall, ActionHost } from '../contract/action.js';
import { pollUntil } from '../contract/poll-until.js';
import { agentAndAncestors, hasEnded, isAlive, type ProcessView, viewProcess, viewProcesses } from './process-view.js';

/** A login session. */
export interface LoginSession {
  /** Id from the login manager, if there is one. */
  readonly id: string | undefined;
  readonly user: string;
  /** Empty without a terminal. */
  readonly tty: string;
  readonly leader: number;
  /** Start time of the leader in Unix seconds; -1 when unknown. */
  readonly since: number;
  /** The agent runs in this session. */
  readonly runsAgent: boolean;
}

/** Finds and ends login sessions. */
export interface SessionSource {
  /** Resolves to the sessions of a user, or to the one with an id. A string is an error message. */
  find(
    call: ActionCall,
    filter: { readonly user?: string; readonly id?: string },
  ): Promise<readonly LoginSession[] | string>;
  /** Ends a session and waits until it is gone. Resolves to an error message, or `undefined` on success. */
  end(call: ActionCall, session: LoginSession): Promise<string | undefined>;
}

/** How long the programs of a session may take to exit after a hangup. */
const HANGUP_WAIT = { timeoutMs: 2_000, intervalMs: 50 };
const EXIT_WAIT = { timeoutMs: 5_000, intervalMs: 50 };

/** logind where it runs, otherwise the terminals. */
export function sessionSource(): SessionSource {
  return existsSync('/run/systemd/system') ? logind : terminals;
}

const PROPERTIES = ['Id', 'Name', 'TTY', 'Leader', 'Class'];
/** A session that was listed may have ended before it is asked for. */
const ROUNDS = 3;

/** Sessions of systemd-logind, through loginctl. It ends everything in the session's control group. */
export const logind: SessionSource = {
  async find({ host, signal }, { user, id }) {
    const all = await shownSessions(host, signal, id);
    if (typeof all === 'string') return all;
    const sessions = all.filter((values) => values.get('Class')?.startsWith('user') !== false);
    return sessions.map(managedSession).filter((session) => user === undefined || session.user === user);
  },

  async end(call, { id = '' }) {
    const { host, signal } = call;
    const { code, stderr } = await host.run('loginctl', ['terminate-session', '--', id], { signal });
    if (code !== 0) return stderr.trim() || `loginctl ended with ${code}`;
    const isGone = await pollUntil(call, EXIT_WAIT, async () => {
      const left = await this.find(call, { id });
      return typeof left !== 'string' && left.length === 0;
    });
    return isGone ? undefined : 'the session is still there; some of its programs do not end';
  },
};

/** Sessions may end between the calls; each is asked for again as long as it is listed. */
async function shownSessions(
  host: ActionHost,
  signal: AbortSignal,
  id: string | undefined,
): Promise<ReadonlyMap<string, string>[] | string> {
  let fault = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    const listed = await host.run('loginctl', ['list-sessions', '--no-legend', '--no-pager'], { signal });
    if (listed.code !== 0) return listed.stderr.trim() || 'loginctl does not answer';
    const ids = listed.stdout.split('\n').flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []);
    const requested = id === undefined ? ids : ids.filter((one) => one === id);
    if (requested.length === 0) return [];
    // One property each: before systemd 256 a list is one name, which no session has.
    const properties = PROPERTIES.map((name) => `--property=${name}`);
    const shown = await host.run('loginctl', ['show-session', ...properties, '--', ...requested], { signal });
    const all = [...parseShow(shown.stdout)];
    const isWhole = all.length === requested.length && all.every((one) => one.has('Id') && one.has('Name'));
    if (isWhole) return all;
    fault = shown.stderr.trim();
  }
  return fault || 'loginctl does not say whose sessions there are';
}

function managedSession(values: ReadonlyMap<string, string>): LoginSession {
  const id = values.get('Id') ?? '';
  const leader = Number(values.get('Leader') ?? 0);
  const cgroups = new System().text('/proc/self/cgroup') ?? '';
  return {
    id,
    user: values.get('Name') ?? '',
    tty: values.get('TTY') ?? '',
    leader,
    since: viewProcess(leader)?.startTime ?? -1,
    runsAgent: agentAndAncestors().has(leader) || cgroups.includes(`/session-${id}.scope`),
  };
}

/** Exit code of getent(1). */
const NO_SUCH_KEY = 2;

/** Sessions found by their leader on a terminal. They get a hangup; processes that remain are killed. */
export const terminals: SessionSource = {
  async find({ host, signal }, { user, id }) {
    if (id !== undefined || user === undefined)
      return 'no login manager runs here, so sessions have no ids: give the user';
    const { code, stdout, stderr } = await host.run('getent', ['passwd', '--', user], { signal });
    if (code !== 0 && code !== NO_SUCH_KEY) return stderr.trim() || `getent ended with ${code}`;
    const uid = Number(code === 0 ? stdout.split(':')[2] : Number.NaN);
    // getent accepts numbers as names.
    if (!Number.isInteger(uid) || stdout.split(':')[0] !== user) return [];
    const all = viewProcesses();
    const own = agentAndAncestors();
    const leaders = all.filter(
      (view) => view.pid === view.session && view.tty !== 0 && !hasEnded(view) && view.uid === uid,
    );
    return leaders.map((leader) => ({
      id: undefined,
      user,
      tty: terminalName(leader.tty) ?? '',
      leader: leader.pid,
      since: leader.startTime,
      runsAgent: all.some((view) => view.session === leader.pid && own.has(view.pid)),
    }));
  },

  async end(call, { leader }) {
    const views = sessionProcesses(leader);
    const fault = signalAll(views, 'SIGHUP');
    if (fault !== undefined) return fault;
    if (await pollUntil(call, HANGUP_WAIT, () => views.every((view) => !isAlive(view)))) return undefined;
    signalAll(views.filter(isAlive), 'SIGKILL');
    const isGone = await pollUntil(call, EXIT_WAIT, () => views.every((view) => !isAlive(view)));
    return isGone ? undefined : 'some of its programs do not end';
  },
};

/** All processes of a session, the leader last, so that the others see their terminal close first. */
function sessionProcesses(leader: number): ProcessView[] {
  const members = viewProcesses().filter((view) => view.session === leader && !hasEnded(view));
  return members.toSorted((one, other) => Number(one.pid === leader) - Number(other.pid === leader));
}

function signalAll(views: readonly ProcessView[], signal: 'SIGHUP' | 'SIGKILL'): string | undefined {
  for (const view of views) {
    if (!isAlive(view)) continue;
    try {
      process.kill(view.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPERM') return 'the agent may not end its programs';
    }
  }
  return undefined;
}

/**
 * Major device numbers of terminals: the first of eight for Unix98 ptys, and the consoles
 * (Documentation/admin-guide/devices.txt of Linux).
 */
const PTS_MAJOR = 136;
const PTS_MAJORS = 8;
const CONSOLE_MAJOR = 4;
const SERIAL_FROM = 64;

/** Name of the terminal with this device number (`tty_nr` of proc_pid_stat(5)), such as `pts/3`. `undefined` for other devices. */
export function terminalName(device: number): string | undefined {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
  if (major >= PTS_MAJOR && major < PTS_MAJOR + PTS_MAJORS) return `pts/${(major - PTS_MAJOR) * 256 + minor}`;
  if (major !== CONSOLE_MAJOR || minor === 0) return undefined;
  return minor < SERIAL_FROM ? `tty${minor}` : `ttyS${minor - SERIAL_FROM}`;
}
