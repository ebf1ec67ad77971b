import type { ActionImplementation } from '../contract/action.js';
import { endSessions } from '../contract/end-sessions.js';
import { matchLines } from '../contract/match-lines.js';
import { runOrStop, settle } from '../contract/settle.js';

/** The terminal that `who` shows for the graphical session. */
const CONSOLE = 'console';

export interface MacSession {
  readonly user: string;
  readonly tty: string;
}

/** `session.logout`. A graphical session is a launchd domain. A session on a terminal ends with its processes. */
export const logoutSession: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const { host } = call;
      const target = call.binding ?? call.params;
      const tty = target['tty'] ?? target['session'];
      const found = parseWho(await runOrStop(host, '/usr/bin/who', [])).filter(
        (one) =>
          (target['user'] === undefined || one.user === target['user']) && (tty === undefined || one.tty === tty),
      );
      return endSessions(
        call,
        found,
        (one) => `the session of ${one.user} on ${one.tty}`,
        async (one) => {
          if (one.tty !== CONSOLE) return runOrStop(host, '/usr/bin/pkill', ['-HUP', '-t', one.tty, '-u', one.user]);
          const uid = (await runOrStop(host, '/usr/bin/id', ['-u', one.user])).trim();
          return runOrStop(host, '/bin/launchctl', ['bootout', `gui/${uid}`], { timeoutMs: 25_000 });
        },
      );
    }),
};

/** Parses who(1): `ann console Nov 25 00:12`. */
export function parseWho(text: string): MacSession[] {
  return matchLines(text, /^(\S+)\s+(\S+)\s+\w{3} /, ([user = '', tty = '']) => ({ user, tty }));
}
