import type { ActionCall, ActionResult } from './action.js';
import { refused, succeeded, unchanged, withVerb, wouldDo } from './results.js';

/** Ends the sessions that `session.logout` found, with `end` for each. Refuses when one of the users is protected. */
export async function endSessions<T extends { readonly user: string }>(
  call: ActionCall,
  found: readonly T[],
  describe: (session: T) => string,
  end: (session: T) => Promise<unknown>,
): Promise<ActionResult> {
  if (found.length === 0) {
    return call.binding === undefined
      ? unchanged('there is no such session')
      : refused('changed', 'there is no such session any more');
  }
  const why = call.host.protect.name(...found.map(({ user }) => user));
  if (why !== undefined) return refused('protected', why);
  const lines = found.map(describe);
  if (call.dryRun) return wouldDo(`${found.length} session(s) would end`, withVerb('end', lines));
  for (const session of found) {
    call.signal.throwIfAborted();
    await end(session);
  }
  return succeeded(`${found.length} session(s) ended`, withVerb('ended', lines));
}
