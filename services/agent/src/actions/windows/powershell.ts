import type { ActionHost, RunOptions } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop, runOrStop } from '../contract/settle.js';

/** Where Windows keeps its programs; by full path, since the current folder would be searched first. */
export const SYSTEM32 = 'C:\\Windows\\System32\\';

const POWERSHELL = `${SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe`;
const OPTIONS = ['-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-Command'];
const PRELUDE = [
  "$ErrorActionPreference = 'Stop'",
  '[Console]::OutputEncoding = [Text.Encoding]::UTF8',
  '$in = [Console]::In.ReadToEnd() | ConvertFrom-Json',
].join('; ');

/**
 * Runs a script of ours, a constant: what it works with comes over its standard input as JSON, in `$in`, and is never part of the script. What it
 * writes is one JSON value.
 */
export async function runScript(
  host: ActionHost,
  script: string,
  input: Readonly<Record<string, unknown>>,
  options: RunOptions = {},
): Promise<unknown> {
  const text = await runOrStop(host, POWERSHELL, scriptArgs(script), {
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

/** The arguments of such a run, for tests. */
export function scriptArgs(script: string): string[] {
  return [...OPTIONS, `${PRELUDE}; ${script}`];
}

export const POWERSHELL_PATH = POWERSHELL;

/** The console's code page is not known, so everything beyond ASCII is escaped. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Rows of a script: PowerShell writes one row as itself and none as nothing. */
export function rowsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  const list: readonly unknown[] = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
  return list.filter((row): row is Readonly<Record<string, unknown>> => typeof row === 'object' && row !== null);
}
