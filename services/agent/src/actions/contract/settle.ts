import type { ActionCall, ActionHost, ActionResult, RunOptions } from './action.js';
import { failed, stopped } from './results.js';

/** Ends an action early with an expected result, from any depth of the call stack. {@link settle} returns that result. */
export class ActionStop extends Error {
  override readonly name = 'ActionStop';
  readonly result: ActionResult;

  constructor(result: ActionResult) {
    super(result.message);
    this.result = result;
  }
}

/** Runs `work` and returns its result. Maps an {@link ActionStop}, an abort and a system error to results. Rethrows other errors. */
export async function settle({ signal }: ActionCall, work: () => Promise<ActionResult>): Promise<ActionResult> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ActionStop) return error.result;
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code === 'hung_file_system') return failed(code, String(message));
    if (signal.aborted) return stopped(signal);
    if (typeof code !== 'string') throw error;
    return failed(ERRNO[code] ?? 'system_error', String(message));
  }
}

/** Runs a program and returns its output. When the program fails, the action fails. */
export async function runOrStop(
  host: ActionHost,
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await host.run(file, args, options);
  if (code === 0) return stdout;
  if (options.signal?.aborted === true) throw new ActionStop(stopped(options.signal, [`${file} was ended`]));
  const output = (stderr.trim() === '' ? stdout : stderr).trim().split('\n').slice(-3).join(' / ');
  throw new ActionStop(
    failed('program_failed', `${[file, ...args].join(' ').slice(0, 200)} ended with ${code}: ${output}`),
  );
}

const ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: 'no_space',
  EDQUOT: 'no_space',
  EACCES: 'not_permitted',
  EPERM: 'not_permitted',
  EROFS: 'read_only',
};
