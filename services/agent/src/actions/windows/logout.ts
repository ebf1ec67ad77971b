import type { ActionImplementation } from '../contract/action.js';
import { refused, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { runOrStop, settle } from '../contract/settle.js';
import { SYSTEM32 } from './powershell.js';

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
      // The exit code is 1 when nobody is logged in.
      const { stdout } = await call.host.run(`${SYSTEM32}quser.exe`, [], {});
      const found = parseSessions(stdout).filter(
        ({ user, station, id }) =>
          (target['user'] === undefined || sameText(user, target['user'])) &&
          (target['tty'] === undefined || sameText(station, target['tty'])) &&
          (target['session'] === undefined || String(id) === target['session']),
      );
      if (found.length === 0) {
        return call.binding === undefined
          ? unchanged('there is no such session')
          : refused('changed', 'there is no such session any more');
      }
      const why = call.host.protect.name(...found.map(({ user }) => user));
      if (why !== undefined) return refused('protected', why);
      const lines = found.map(
        ({ user, station, id }) => `session ${id} of ${user}${station === '' ? '' : ` on ${station}`}`,
      );
      if (call.dryRun) return wouldDo(`${found.length} session(s) would end`, withVerb('end', lines));
      for (const { id } of found) {
        call.signal.throwIfAborted();
        await runOrStop(call.host, `${SYSTEM32}logoff.exe`, [String(id)], { timeoutMs: 25_000 });
      }
      return succeeded(`${found.length} session(s) ended`, withVerb('ended', lines));
    }),
};

/** Parses quser: user name (`>` marks one's own), station (may be missing) and id. The rest is localized. */
export function parseSessions(text: string): WindowsSession[] {
  const rows = text.split(/\r?\n/).map((line) => /^[> ](\S+)\s+(?:(\S+)\s+)?(\d+)\s+\S/.exec(line));
  return rows.flatMap((row) =>
    row === null ? [] : [{ user: row[1] ?? '', station: row[2] ?? '', id: Number(row[3]) }],
  );
}

function sameText(a: string, b: unknown): boolean {
  return typeof b === 'string' && a.toLowerCase() === b.toLowerCase();
}
