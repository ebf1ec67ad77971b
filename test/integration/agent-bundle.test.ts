import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { muster } from '../kit/cli.js';
import { openLab, type Lab } from '../kit/lab.js';

const BUNDLE = fileURLToPath(new URL('../../../deploy/agent/bundle.mjs', import.meta.url));

interface Form {
  readonly file: string;
  readonly bytes: number;
  readonly command: (path: string) => [program: string, ...args: string[]];
}

/** Both weigh what a download weighs; the executable is Node itself, and the bundle in it. */
const FORMS: Record<string, Form> = {
  'the bundle': { file: 'muster-agent.cjs', bytes: 3 << 20, command: (path) => [process.execPath, path] },
  'the single executable': { file: 'muster-agent', bytes: 150 << 20, command: (path) => [path] },
};

describe('the agent as one file, in a folder where nothing else is', () => {
  let lab: Lab;
  let folder: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-bundle-'));
    const built = execFileSync(process.execPath, [BUNDLE, '--executable', '--out', join(folder, 'built')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(built).toMatch(/muster-agent\.cjs: [\d.]+ MiB[\s\S]*muster-agent: [\d.]+ MiB/);
    lab = await openLab();
  }, 120_000);
  afterEach(async () => {
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    child = undefined;
  });
  afterAll(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts it as a new machine would, and resolves when a gateway holds its session. */
  async function start({ file, command }: Form): Promise<{ readonly home: string }> {
    const home = mkdtempSync(join(folder, 'machine-'));
    const program = join(home, 'program', file);
    mkdirSync(join(home, 'program'));
    copyFileSync(join(folder, 'built', file), program);
    const [executable, ...args] = command(program);
    const env = {
      PATH: process.env['PATH'],
      MUSTER_GATEWAY_URL: lab.stack.gateways[0]!.url,
      MUSTER_ORG: lab.stack.org,
      MUSTER_ENROLL_SECRET: lab.stack.enrollSecret,
      MUSTER_DATA_DIR: join(home, 'data'),
      MUSTER_LABELS: `form=${file.replace('.', '-')}`,
    };
    const started = spawn(executable, args, { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      started.once('exit', (code) => reject(new Error(`the agent ended with ${code}: ${output}`)));
      started.stdout.on('data', (part: Buffer) => {
        output += part.toString();
        if (output.includes('"msg":"session ready"')) resolve();
      });
    });
    return { home };
  }

  it.each(Object.entries(FORMS))(
    '%s enrols, answers, and does what it is ordered to',
    async (_name, form) => {
      expect(statSync(join(folder, 'built', form.file)).size).toBeLessThan(form.bytes);
      const { home } = await start(form);
      const selector = `form=${form.file.replace('.', '-')}`;
      // From SQLite, in a thread that has no file to start from.
      const sql = "SELECT count(*) AS n, (SELECT path FROM file WHERE path = '/etc/passwd') AS path FROM processes";
      const asked = await muster(lab, ['query', sql, '--target', selector, '-o', 'ndjson']);
      expect([asked.stderr, asked.code]).toEqual([asked.stderr, 0]);
      expect(asked.stdout).toContain('/etc/passwd');

      const order = (path: string) =>
        muster(lab, ['run', 'file.quarantine', `path=${path}`, '--target', selector, '--yes', '--wait', '-o', 'json']);
      const evil = join(home, 'evil.sh');
      writeFileSync(evil, 'echo evil\n');
      const ordered = await order(evil);
      expect([ordered.stderr, ordered.code]).toEqual([ordered.stderr, 0]);
      expect(existsSync(evil)).toBe(false);

      // It knows what it is itself, wherever it lies.
      const own = join(home, 'program', form.file);
      const refused = await order(own);
      expect([refused.code, readFileSync(own).length]).toEqual([3, statSync(join(folder, 'built', form.file)).size]);
    },
    60_000,
  );
});
