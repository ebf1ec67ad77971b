import { readFileSync } from 'node:fs';
import { type Check, readPack } from '@muster/packs';
import type { SqlEngine } from '@muster/tables';
import { createLocalEngine } from '../worker/local-engine.js';
import { type CheckVerdict, runCheck } from '../worker/run-checks.js';

/** What one check says of this machine. */
export interface CheckResult extends CheckVerdict {
  readonly id: string;
  readonly severity: Check['severity'];
  readonly title: string;
}

/** `muster-agent check`: runs the checks of a pack on this machine, as this user, without a gateway. */
export async function checkPack(file: string, output: 'table' | 'json' | 'ndjson'): Promise<number> {
  const read = readPack(readFileSync(file, 'utf8'));
  if (!read.ok) {
    for (const { line, column, path, message } of read.faults)
      process.stderr.write(`${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}\n`);
    return 2;
  }
  const engine = await createLocalEngine();
  try {
    const results = read.pack.checks.map((check) => resultOf(engine, check));
    if (output === 'json') process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
    else for (const one of results) process.stdout.write(output === 'ndjson' ? `${JSON.stringify(one)}\n` : line(one));
    return results.some(({ outcome }) => outcome === 'error' || outcome === 'over_budget') ? 1 : 0;
  } finally {
    engine.close();
  }
}

/** Runs one check on the tables of an engine. */
export function resultOf(engine: SqlEngine, check: Check, platform?: string): CheckResult {
  const { id, severity, title } = check;
  return { id, ...runCheck(engine, check, platform === undefined ? {} : { platform }), severity, title };
}

function line({ outcome, severity, id, title, reason, evidence = [] }: CheckResult): string {
  const head = `${outcome.padEnd(14)}  ${severity.padEnd(8)}  ${id}  ${title}${reason === undefined ? '' : ` (${plain(reason)})`}\n`;
  return (
    head +
    evidence
      .slice(0, 5)
      .map((row) => `                ${plain(JSON.stringify(row))}\n`)
      .join('')
  );
}

/** Control characters of a value must not reach the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
