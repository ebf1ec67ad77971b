import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TABLES } from '@muster/tables';
import { HungMount } from '../../testing/hung-mount.js';

const OVER_HOMES = TABLES.filter(({ cost, platforms }) => cost === 'homes' && platforms.includes('linux')).map(
  ({ name }) => name,
);
const KEY = 'ssh-ed25519 AAAA ann\n';

const withHungMount = HungMount.missing() === undefined ? describe : describe.skip;

withHungMount('a home that does not answer', () => {
  let folder: string;
  let mount: HungMount;
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-homes-'));
    for (const home of ['dead', 'ann/.ssh', 'bob']) mkdirSync(join(folder, home), { recursive: true });
    writeFileSync(join(folder, 'ann/.ssh/authorized_keys'), KEY);
    mount = await HungMount.mount(join(folder, 'dead'));
    // By links too: a home that is one, and what a user has in theirs.
    symlinkSync(mount.path, join(folder, 'link'));
    symlinkSync(mount.path, join(folder, 'bob/.ssh'));
    symlinkSync(`${mount.path}/x`, join(folder, 'bob/.bash_history'));
    const homes = ['dead', 'link', 'bob', 'ann'].map(
      (name, at) => `${name}:x:${7000 + at}:0::${folder}/${name}:/bin/sh`,
    );
    writeFileSync(join(folder, 'passwd'), `${homes.join('\n')}\n`);
  });
  afterAll(async () => {
    // What hangs ends with it.
    await mount.end();
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** In a process of its own, which a file system that is touched would keep. Prints a line for each table. */
  async function ask(questions: readonly string[]): Promise<unknown[]> {
    const program = `
      import('${new URL('../table-fixture.js', import.meta.url).href}').then(async ({ LinuxTables }) => {
        const tables = await LinuxTables.open();
        for (const sql of JSON.parse(process.argv[1])) {
          const { result, rows } = tables.query(sql);
          console.log(JSON.stringify({ sql, ok: result.ok, rows, warnings: result.warnings }));
        }
        tables.close();
      })`;
    const script = `mount --make-rprivate /; mount --bind ${folder}/passwd /etc/passwd; exec "$@"`;
    const node = [process.execPath, '--input-type=module', '-e', program, JSON.stringify(questions)];
    const started = spawn('unshare', ['--mount', 'sh', '-ec', script, 'sh', ...node], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    let output = '';
    for await (const chunk of started.stdout) output += String(chunk);
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }

  test('costs the tables that go over homes its own rows, and is told', async () => {
    expect(OVER_HOMES).toEqual(expect.arrayContaining(['authorized_keys', 'shell_history', 'python_packages']));
    const of = (name: string): string =>
      `SELECT * FROM ${name} ${name === 'python_packages' ? '' : 'WHERE uid BETWEEN 7000 AND 7003'}`;
    const tables = OVER_HOMES.filter((name) =>
      TABLES.find((one) => one.name === name)?.columns.some((one) => one.name === 'uid'),
    );
    const answers = await ask([...tables.map(of), 'SELECT count(*) AS n FROM startup_items']);
    expect(answers).toHaveLength(tables.length + 1);
    for (const answer of answers) {
      expect(answer).toMatchObject({
        ok: true,
        warnings: [expect.objectContaining({ code: 'unreadable', message: expect.stringMatching(/may not answer$/) })],
      });
    }
    expect(answers[tables.indexOf('authorized_keys')]).toMatchObject({ rows: [{ uid: 7003, key: 'AAAA' }] });
  });
});
