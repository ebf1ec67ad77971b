import type { ActionImplementation } from '../contract/action.js';
import { endSessions } from '../contract/end-sessions.js';
import { matchLines } from '../contract/match-lines.js';
import { failed } from '../contract/results.js';
import { runOrStop, settle } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';

export interface WindowsSession {
  readonly user: string;
  /** Empty for a disconnected session. */
  readonly station: string;
  readonly id: number;
}

/** `session.logout`. */
export const logoutSession: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const target = call.binding ?? call.params;
      const { code, stdout } = await call.host.run(`${SYSTEM32}quser.exe`, [], {});
      // The exit code is 1 when nobody is logged in, and may be with an answer.
      if (code > 1) return failed('program_failed', `quser ended with ${code}`);
      const found = parseSessions(stdout).filter(
        ({ user, station, id }) =>
          (target['user'] === undefined || sameText(user, target['user'])) &&
          (target['tty'] === undefined || sameText(station, target['tty'])) &&
          (target['session'] === undefined || String(id) === target['session']),
      );
      return endSessions(
        call,
        found,
        ({ user, station, id }) => `session ${id} of ${user}${station === '' ? '' : ` on ${station}`}`,
        ({ id }) => runOrStop(call.host, `${SYSTEM32}logoff.exe`, [String(id)], { timeoutMs: 25_000 }),
      );
    }),
};

/** Parses quser: user name (`>` marks one's own), station (may be missing) and id. The rest is localized. */
export function parseSessions(text: string): WindowsSession[] {
  const pattern = /^[> ](\S+)\s+(?:(\S+)\s+)?(\d+)\s+\S/;
  return matchLines(text, pattern, ([user = '', station = '', id]) => ({ user, station, id: Number(id) }));
}

function sameText(a: string, b: unknown): boolean {
  return typeof b === 'string' && a.toLowerCase() === b.toLowerCase();
}
