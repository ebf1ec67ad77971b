import { type ChildProcess, execFileSync, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { muster } from '../kit/cli.js';
import { startHarness, type Harness } from '../kit/harness.js';

const BUNDLE = fileURLToPath(new URL('../../../deploy/agent/bundle.mjs', import.meta.url));

interface Form {
  readonly file: string;
  readonly bytes: number;
  readonly command: (path: string) => [program: string, ...args: string[]];
}

/** The size of each download; the executable contains Node and the bundle. */
const FORMS: Record<string, Form> = {
  'the bundle': { file: 'muster-agent.cjs', bytes: 3 << 20, command: (path) => [process.execPath, path] },
  'the single executable': { file: 'muster-agent', bytes: 150 << 20, command: (path) => [path] },
};

describe('the agent as one file, alone in a folder', () => {
  let harness: Harness;
  let folder: string;
  /** The output of the bundler. */
  let built: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-bundle-'));
    built = execFileSync(process.execPath, [BUNDLE, '--executable', '--out', join(folder, 'built')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    harness = await startHarness();
  });
  afterEach(async () => {
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    child = undefined;
  });
  afterAll(async () => {
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts it on an empty data folder. Resolves when its session is ready. */
  async function start({ file, command }: Form): Promise<{ readonly home: string }> {
    const home = mkdtempSync(join(folder, 'machine-'));
    const program = join(home, 'program', file);
    mkdirSync(join(home, 'program'));
    copyFileSync(join(folder, 'built', file), program);
    const [executable, ...args] = command(program);
    const env = {
      PATH: process.env['PATH'],
      MUSTER_GATEWAY_URL: harness.stack.gateways[0]!.url,
      MUSTER_ORG: harness.stack.org,
      MUSTER_ENROLL_SECRET: harness.stack.enrollSecret,
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
    '%s enrols, answers a query, and runs a command',
    async (_name, form) => {
      expect(built).toMatch(new RegExp(`^${form.file.replace('.', '\\.')}: [\\d.]+ MiB`, 'm'));
      expect(statSync(join(folder, 'built', form.file)).size).toBeLessThan(form.bytes);
      const { home } = await start(form);
      const selector = `form=${form.file.replace('.', '-')}`;
      // From SQLite, in a worker thread whose code is in the bundle.
      const sql = "SELECT count(*) AS n, (SELECT path FROM file WHERE path = '/etc/passwd') AS path FROM processes";
      const asked = await muster(harness, ['query', sql, '--target', selector, '-o', 'ndjson']);
      expect([asked.stderr, asked.code]).toEqual([asked.stderr, 0]);
      expect(asked.stdout).toContain('/etc/passwd');

      const quarantine = (path: string) =>
        muster(harness, [
          'run',
          'file.quarantine',
          `path=${path}`,
          '--target',
          selector,
          '--yes',
          '--wait',
          '-o',
          'json',
        ]);
      const evil = join(home, 'evil.sh');
      writeFileSync(evil, 'echo evil\n');
      const ran = await quarantine(evil);
      expect([ran.stderr, ran.code]).toEqual([ran.stderr, 0]);
      expect(existsSync(evil)).toBe(false);

      // It finds its own form, wherever the file is.
      const own = join(home, 'program', form.file);
      const refused = await quarantine(own);
      expect([refused.code, readFileSync(own).length]).toEqual([3, statSync(join(folder, 'built', form.file)).size]);
    },
    60_000,
  );

  // A machine in a folder: its own /etc, /opt, /run and /var, and the programs of this machine. Needs root.
  // `cat` keeps it alive until the test ends.
  const machine = `set -e
for d in usr proc dev; do mkdir -p "$1/$d"; mount --rbind "/$d" "$1/$d"; done
for l in bin sbin lib lib64; do ln -s "usr/$l" "$1/$l"; done
mkdir -p "$1/run" "$1/tmp" "$1/var/log"
echo ready
exec cat`;
  async function startMachine(root: string): Promise<(line: string) => SpawnSyncReturns<string>> {
    const keeper = spawn('unshare', ['--mount', 'sh', '-c', machine, 'machine', root], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = keeper;
    await once(keeper.stdout, 'data');
    const enter = [`--mount=/proc/${keeper.pid}/ns/mnt`, 'chroot', root, '/bin/sh', '-c'];
    return (line) => spawnSync('nsenter', [...enter, line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }
  const canEnter =
    process.execPath.startsWith('/usr/') &&
    spawnSync('unshare', ['--mount', 'sh', '-c', 'command -v start-stop-daemon && command -v nsenter']).status === 0;

  it('installs a unit of systemd with the right to record events where the settings say so, and no other', () => {
    const root = mkdtempSync(join(folder, 'unit-'));
    const install = (...set: string[]): string => {
      const settings = set.flatMap((one) => ['--set', one]);
      const bundle = join(folder, 'built', 'muster-agent.cjs');
      execFileSync(process.execPath, [bundle, 'install', '--manager', 'systemd', '--root', root, ...settings]);
      return readFileSync(join(root, 'etc/systemd/system/muster-agent.service'), 'utf8');
    };
    expect(install('MUSTER_GATEWAY_URL=https://gateway.example.com')).not.toContain('tracing');
    appendFileSync(join(root, 'etc/muster-agent/agent.env'), 'MUSTER_AGENT_EVENTS=process,socket\n');
    const line = 'ReadWritePaths=-/sys/kernel/tracing/instances\n';
    expect(install()).toContain(line);
    rmSync(join(root, 'etc/muster-agent/agent.env'));
    expect(install('MUSTER_GATEWAY_URL=https://gateway.example.com', 'MUSTER_AGENT_EVENTS=socket')).toContain(line);
  });

  const ifRoot = canEnter ? describe : describe.skip;
  ifRoot('as a service', () => {
    it('the bundle installs itself as a service of sysvinit, which starts, reports its status, restarts and stops', async () => {
      const root = mkdtempSync(join(folder, 'root-'));
      const settings = Object.entries({
        MUSTER_GATEWAY_URL: harness.stack.gateways[0]!.url,
        MUSTER_ORG: harness.stack.org,
        MUSTER_ENROLL_SECRET: harness.stack.enrollSecret,
        MUSTER_LABELS: 'form=sysvinit',
        MUSTER_READY_FILE: '/run/ready.json',
      }).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
      const bundle = join(folder, 'built', 'muster-agent.cjs');
      execFileSync(process.execPath, [bundle, 'install', '--manager', 'sysvinit', '--root', root, ...settings]);
      const enter = await startMachine(root);
      const service = (verb: string) => enter(`/etc/init.d/muster-agent ${verb}`);

      expect(service('status')).toMatchObject({ status: 3, stdout: 'muster-agent does not run\n' });
      try {
        expect(service('start')).toMatchObject({ status: 0, stderr: '' });
        await untilExists(join(root, 'run/ready.json'));
        expect(service('status').stdout).toMatch(/^muster-agent runs, process \d+$/m);
        const asked = await muster(harness, [
          'query',
          "SELECT path FROM file WHERE path = '/opt/muster-agent/muster-agent.cjs'",
          '--target',
          'form=sysvinit',
          '-o',
          'ndjson',
        ]);
        expect([asked.code, asked.stdout]).toEqual([0, expect.stringContaining('/opt/muster-agent/muster-agent.cjs')]);
        const pid = readFileSync(join(root, 'run/muster-agent.pid'), 'utf8');
        expect(service('start').status).toBe(0);
        expect(readFileSync(join(root, 'run/muster-agent.pid'), 'utf8')).toBe(pid);
        rmSync(join(root, 'run/ready.json'));
        expect(service('restart')).toMatchObject({ status: 0, stderr: '' });
        await untilExists(join(root, 'run/ready.json'));
        expect(readFileSync(join(root, 'run/muster-agent.pid'), 'utf8')).not.toBe(pid);
      } finally {
        expect(service('stop')).toMatchObject({ status: 0, stderr: '' });
      }
      expect(service('status').status).toBe(3);
      expect(readFileSync(join(root, 'var/log/muster-agent.log'), 'utf8')).toContain('"msg":"session ready"');
      execFileSync(process.execPath, [bundle, 'uninstall', '--manager', 'sysvinit', '--root', root, '--purge']);
      const left = [
        'etc/init.d/muster-agent',
        'opt/muster-agent',
        'etc/muster-agent/agent.env',
        'var/lib/muster-agent',
      ];
      expect(left.filter((path) => existsSync(join(root, path)))).toEqual([]);
    });
  });
});

async function untilExists(path: string): Promise<void> {
  const watcher = watch(dirname(path));
  try {
    while (!existsSync(path)) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}
