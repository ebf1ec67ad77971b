import type { ActionHost, RunOptions } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop, runOrStop } from '../contract/settle.js';
import { POWERSHELL_OPTIONS, POWERSHELL_PATH } from '../../host/windows-programs.js';

const PRELUDE = [
  "$ErrorActionPreference = 'Stop'",
  '[Console]::OutputEncoding = [Text.Encoding]::UTF8',
  '$in = [Console]::In.ReadToEnd() | ConvertFrom-Json',
].join('; ');

/**
 * Runs a constant PowerShell script. The input is passed as JSON on stdin and is `$in` in the script; it is never part
 * of the script text. Resolves to the one JSON value that the script writes.
 */
export async function runScript(
  host: ActionHost,
  script: string,
  input: Readonly<Record<string, unknown>>,
  options: RunOptions = {},
): Promise<unknown> {
  const text = await runOrStop(host, POWERSHELL_PATH, scriptArgs(script), {
    timeoutMs: 30_000,
    ...options,
    input: asciiJson(input),
  });
  try {
    return text.trim() === '' ? undefined : (JSON.parse(text.replace(/^\uFEFF/, '')) as unknown);
  } catch {
    throw new ActionStop(
      failed('program_failed', `PowerShell said something else than asked: ${text.trim().slice(0, 200)}`),
    );
  }
}

/** Exported for tests. */
export function scriptArgs(script: string): string[] {
  return [...POWERSHELL_OPTIONS, `${PRELUDE}; ${script}`];
}

/** Escapes everything beyond ASCII, because the console's code page is unknown. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Normalizes rows. PowerShell writes one row without a list, and no rows as nothing. */
export function rowsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  const list: readonly unknown[] = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
  return list.filter((row): row is Readonly<Record<string, unknown>> => typeof row === 'object' && row !== null);
}
