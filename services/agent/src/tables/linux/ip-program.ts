import type { CollectRequest } from '@muster/tables';
import type { System } from '../contract/system.js';

const PROGRAMS = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'] as const;

/**
 * What `ip` says, parsed; run once for each statement. `undefined` without the program or without its answer, and then
 * the answer warns that `lacks`.
 */
export function readIp<T>(
  system: System,
  request: CollectRequest,
  {
    args,
    parse,
    lacks,
  }: { readonly args: readonly string[]; readonly parse: (json: string) => T; readonly lacks: string },
): T | undefined {
  return request.memo(`ip ${args.join(' ')}`, () => {
    const output = run(system, request, args);
    try {
      if (output !== undefined) return parse(output);
    } catch {
      // Old versions know no JSON for it.
    }
    request.warn('unreadable', `without an answer of "ip ${args.join(' ')}", ${lacks}`);
    return undefined;
  });
}

/** One that hung for one question of the statement would hang for the others, too. */
function run(system: System, request: CollectRequest, args: readonly string[]): string | undefined {
  const state = request.memo('ip', () => ({ program: PROGRAMS.find((path) => system.exists(path)), failed: false }));
  if (state.program === undefined || state.failed) return undefined;
  const output = system.run(state.program, ['-json', ...args]);
  state.failed = output === undefined;
  return output;
}
