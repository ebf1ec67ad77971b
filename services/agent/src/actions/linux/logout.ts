import type { ActionCall, ActionImplementation, ActionResult } from '../contract/action.js';
import { callText } from '../contract/call-values.js';
import {
  counted,
  failed,
  refused,
  stopped,
  succeeded,
  unchanged,
  unsupported,
  withVerb,
  wouldDo,
} from '../contract/results.js';
import { type LoginSession, sessionSource, type SessionSource } from './login-sessions.js';
import { viewProcess } from './process-view.js';

/** A login is recorded shortly after its first process starts. */
const RECORDED_WITHIN_S = 60;

/** `session.logout`. Programs that left their session (setsid) continue without logind. With logind they end too. */
export function logout(source: () => SessionSource = sessionSource): ActionImplementation {
  return { run: (call) => run(call, source()) };
}

async function run(call: ActionCall, source: SessionSource): Promise<ActionResult> {
  const { user, tty, id } = filterOf(call);
  const found = await source.find(call, { ...(user !== undefined && { user }), ...(id !== undefined && { id }) });
  if (call.signal.aborted) return stopped(call.signal);
  if (typeof found === 'string') return unsupported('no_sessions', found);
  const sessions = found.filter((session) => tty === undefined || session.tty === tty);
  if (sessions.length === 0)
    return unchanged(`${id === undefined ? `${user ?? ''} has no such session` : `there is no session ${id}`}`);
  const other = sessions.map((session) => mismatchReason(call, session)).find((why) => why !== undefined);
  if (other !== undefined) return refused('changed', other);
  const guard = sessions.map((session) => protectionReason(call, session)).find((why) => why !== undefined);
  if (guard !== undefined) return refused('protected', guard);
  if (call.dryRun) {
    return wouldDo(`${counted(sessions.length, 'session')} would be ended`, withVerb('end', sessions.map(describe)));
  }
  return endAll(call, source, sessions);
}

async function endAll(
  call: ActionCall,
  source: SessionSource,
  sessions: readonly LoginSession[],
): Promise<ActionResult> {
  const effects: string[] = [];
  const faults: string[] = [];
  for (const session of sessions) {
    if (call.signal.aborted) return stopped(call.signal, effects);
    const fault = await source.end(call, session);
    if (fault === undefined) effects.push(`ended ${describe(session)}`);
    else faults.push(`${describe(session)}: ${fault}`);
  }
  if (call.signal.aborted && faults.length > 0) return stopped(call.signal, [...effects, ...faults]);
  return faults.length === 0
    ? succeeded(`${counted(sessions.length, 'session')} ended`, effects)
    : failed('not_ended', faults.join('; '), effects);
}

function filterOf(call: ActionCall): { user?: string; tty?: string; id?: string } {
  const [user, tty, id] = ['user', 'tty', 'session'].map((key) => callText(call, key));
  return { ...(user !== undefined && { user }), ...(tty !== undefined && { tty }), ...(id !== undefined && { id }) };
}

/** Returns why this is another session on the same terminal, or `undefined`. */
function mismatchReason({ binding }: ActionCall, session: LoginSession): string | undefined {
  const [pid, time] = [Number(binding?.pid ?? 0), Number(binding?.time ?? 0)];
  if (pid > 0 && !ancestorsOf(session.leader).has(pid)) {
    return `${describe(session)} is another session by now: it is not that of process ${pid}`;
  }
  if (time > 0 && session.since > time + RECORDED_WITHIN_S) {
    return `${describe(session)} is another session by now: it began at ${session.since}, not at ${time}`;
  }
  return undefined;
}

/** The leader and its ancestors. Login records have the process id of the daemon that opened the session. */
function ancestorsOf(leader: number): Set<number> {
  const line = new Set<number>();
  for (let pid = leader; pid > 1 && !line.has(pid); pid = viewProcess(pid)?.parent ?? 0) line.add(pid);
  return line;
}

function protectionReason({ host }: ActionCall, session: LoginSession): string | undefined {
  if (session.runsAgent) return `${describe(session)} is the one that the agent runs in`;
  const why = host.protect.name(session.user);
  return why === undefined ? undefined : `${describe(session)} is protected: ${why}`;
}

function describe({ id, user, tty }: LoginSession): string {
  return `session${id === undefined ? '' : ` ${id}`} of ${user}${tty === '' ? '' : ` on ${tty}`}`;
}
