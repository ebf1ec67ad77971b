import type { ActionImplementation } from '../contract/action.js';
import { refused, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
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
      if (found.length === 0) {
        return call.binding === undefined
          ? unchanged('there is no such session')
          : refused('changed', 'there is no such session any more');
      }
      const why = host.protect.name(...found.map(({ user }) => user));
      if (why !== undefined) return refused('protected', why);
      const lines = found.map((one) => `the session of ${one.user} on ${one.tty}`);
      if (call.dryRun) return wouldDo(`${found.length} session(s) would end`, withVerb('end', lines));
      for (const one of found) {
        call.signal.throwIfAborted();
        if (one.tty !== CONSOLE) {
          await runOrStop(host, '/usr/bin/pkill', ['-HUP', '-t', one.tty, '-u', one.user]);
          continue;
        }
        const uid = (await runOrStop(host, '/usr/bin/id', ['-u', one.user])).trim();
        await runOrStop(host, '/bin/launchctl', ['bootout', `gui/${uid}`], { timeoutMs: 25_000 });
      }
      return succeeded(`${found.length} session(s) ended`, withVerb('ended', lines));
    }),
};

/** Parses who(1): `ann console Nov 25 00:12`. */
export function parseWho(text: string): MacSession[] {
  const rows = text.split('\n').map((line) => /^(\S+)\s+(\S+)\s+\w{3} /.exec(line));
  return rows.flatMap((row) => (row === null ? [] : [{ user: row[1] ?? '', tty: row[2] ?? '' }]));
}
