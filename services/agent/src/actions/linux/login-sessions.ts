import { existsSync, readFileSync } from 'node:fs';
import { parseShow } from '../../tables/linux/parse/systemd.js';
import type { ActionCall } from '../contract/action.js';
import { pollUntil } from '../contract/poll-until.js';
import { agentAndAncestors, hasEnded, isAlive, type ProcessView, viewProcess, viewProcesses } from './process-view.js';

/** Somebody who is logged in. */
export interface LoginSession {
  /** The login manager's, or none. */
  readonly id: string | undefined;
  readonly user: string;
  /** Empty when it has no terminal. */
  readonly tty: string;
  readonly leader: number;
  /** Unix seconds of its leader's start; -1 when that is not known. */
  readonly since: number;
  /** The agent is part of it. */
  readonly runsAgent: boolean;
}

/** Where sessions are known. */
export interface SessionSource {
  /** The sessions of a user, or the one with an id. A string says what went wrong. */
  find(
    call: ActionCall,
    filter: { readonly user?: string; readonly id?: string },
  ): Promise<readonly LoginSession[] | string>;
  /** Ends a session and waits until it is gone. Resolves to what went wrong. */
  end(call: ActionCall, session: LoginSession): Promise<string | undefined>;
}

/** How long programs of a session have to end by themselves after their terminal hung up, and then to be gone. */
const HANGUP_WAIT = { timeoutMs: 2_000, intervalMs: 50 };
const EXIT_WAIT = { timeoutMs: 5_000, intervalMs: 50 };

/** logind where it runs, else the terminals themselves. */
export function sessionSource(): SessionSource {
  return existsSync('/run/systemd/system') ? logind : terminals;
}

const PROPERTIES = ['Id', 'Name', 'TTY', 'Leader', 'Class'];

/** systemd-logind through loginctl, which ends everything in the session's control group. */
export const logind: SessionSource = {
  async find({ host, signal }, { user, id }) {
    const listed = await host.run('loginctl', ['list-sessions', '--no-legend', '--no-pager'], { signal });
    if (listed.code !== 0) return listed.stderr.trim() || 'loginctl does not answer';
    const ids = listed.stdout.split('\n').flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []);
    const asked = id === undefined ? ids : ids.filter((one) => one === id);
    if (asked.length === 0) return [];
    const shown = await host.run('loginctl', ['show-session', `--property=${PROPERTIES.join(',')}`, '--', ...asked], {
      signal,
    });
    // One that ended in between makes this fail, and the others are shown all the same.
    const sessions = [...parseShow(shown.stdout)].filter((values) => values.get('Class')?.startsWith('user') !== false);
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

function managedSession(values: ReadonlyMap<string, string>): LoginSession {
  const id = values.get('Id') ?? '';
  const leader = Number(values.get('Leader') ?? 0);
  return {
    id,
    user: values.get('Name') ?? '',
    tty: values.get('TTY') ?? '',
    leader,
    since: viewProcess(leader)?.startTime ?? -1,
    runsAgent: agentAndAncestors().has(leader) || agentCgroups().includes(`/session-${id}.scope`),
  };
}

function agentCgroups(): string {
  try {
    return readFileSync('/proc/self/cgroup', 'utf8');
  } catch {
    return '';
  }
}

/** Processes that lead a session on a terminal. Their terminal hangs up; what stays after that is killed. */
export const terminals: SessionSource = {
  async find({ host, signal }, { user, id }) {
    if (id !== undefined || user === undefined)
      return 'no login manager runs here, so sessions have no ids: give the user';
    const { code, stdout } = await host.run('getent', ['passwd', '--', user], { signal });
    const uid = Number(code === 0 ? stdout.split(':')[2] : Number.NaN);
    // getent takes numbers for names.
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

/** All processes of a session, its leader last: the others see their terminal go first. */
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

/** First of the eight major numbers of Unix98 terminals, and that of consoles (Documentation/admin-guide/devices.txt of Linux). */
const PTS_MAJOR = 136;
const PTS_MAJORS = 8;
const CONSOLE_MAJOR = 4;
const SERIAL_FROM = 64;

/** Name of the terminal with this device number as `tty_nr` of proc_pid_stat(5) has it, such as `pts/3`; `undefined` for other devices. */
export function terminalName(device: number): string | undefined {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
  if (major >= PTS_MAJOR && major < PTS_MAJOR + PTS_MAJORS) return `pts/${(major - PTS_MAJOR) * 256 + minor}`;
  if (major !== CONSOLE_MAJOR || minor === 0) return undefined;
  return minor < SERIAL_FROM ? `tty${minor}` : `ttyS${minor - SERIAL_FROM}`;
}
