import { LIMITS } from '@muster/protocol';
import type { ActionResult } from './action.js';

/** The action succeeded. `effects` has one line for each change. The last line counts those that do not fit in a report. */
export function succeeded(message: string, effects: readonly string[], code = 'ok'): ActionResult {
  return { state: 'succeeded', code, message, effects: limitEffects(effects) };
}

/** Nothing to do: the desired state already exists. */
export function unchanged(message: string): ActionResult {
  return { state: 'succeeded', code: 'unchanged', message };
}

/** One effect for each object, all with the same verb. */
export function withVerb(verb: string, objects: readonly string[]): string[] {
  return objects.map((object) => `${verb} ${object}`);
}

/** `1 process`, `2 processes`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** The result of a dry run: the same effects in the conditional. */
export function wouldDo(message: string, effects: readonly string[]): ActionResult {
  return succeeded(message, withVerb('would', effects), 'dry_run');
}

export function failed(code: string, message: string, effects: readonly string[] = []): ActionResult {
  return { state: 'failed', code, message, ...(effects.length > 0 && { effects: limitEffects(effects) }) };
}

export function refused(code: 'changed' | 'protected' | 'bad_params' | (string & {}), message: string): ActionResult {
  return { state: 'refused', code, message };
}

export function unsupported(code: string, message: string): ActionResult {
  return { state: 'unsupported', code, message };
}

/** The action was aborted. `done` lists what it had already changed. */
export function stopped(signal: AbortSignal, done: readonly string[] = []): ActionResult {
  const late = (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError';
  const before = done.length === 0 ? 'nothing was changed' : 'it had begun';
  return {
    state: late ? 'timed_out' : 'cancelled',
    code: late ? 'timed_out' : 'cancelled',
    message: `${late ? 'its time ran out' : 'it was cancelled'}; ${before}`,
    ...(done.length > 0 && { effects: limitEffects(done) }),
  };
}

function limitEffects(effects: readonly string[]): readonly string[] {
  const kept = effects.length <= LIMITS.effects ? effects : effects.slice(0, LIMITS.effects - 1);
  const lines = kept.map(truncate);
  return effects.length === kept.length ? lines : [...lines, `and ${effects.length - kept.length} more`];
}

function truncate(line: string): string {
  const bytes = Buffer.from(line.toWellFormed());
  if (bytes.length <= LIMITS.effectBytes) return line.toWellFormed();
  return `${bytes
    .subarray(0, LIMITS.effectBytes - 3)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}
