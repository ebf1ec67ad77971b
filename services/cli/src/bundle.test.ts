import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endedQuery, FakeApi, QUERY_ID } from './testing/fake-api.js';

const run = promisify(execFile);
const PACK = fileURLToPath(new URL('../../../shared/packs/shipped/linux-baseline.yaml', import.meta.url));
const script = fileURLToPath(new URL('../../../deploy/cli/bundle.mjs', import.meta.url));

test('the package and the executable run outside of the checkout', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-cli-'));
  const api = new FakeApi();
  await api.start();
  try {
    api.json(`GET /v1/queries/${QUERY_ID}`, endedQuery());
    await run(process.execPath, [script, '--out', folder, '--executable']);
    // What npm would publish is what is installed.
    const packed = await run('npm', ['pack', '--json'], { cwd: join(folder, 'package') });
    const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
    expect(files.map(({ path }) => path).toSorted((a, b) => a.localeCompare(b))).toEqual([
      ...['muster.mjs', 'package.json', 'README.md'],
    ]);
    const env = { PATH: process.env['PATH'], HOME: folder, MUSTER_API_URL: api.url, MUSTER_TOKEN: 't' };
    const executable = join(folder, `muster-${process.platform}-${process.arch}`);
    for (const [program, ...first] of [[process.execPath, join(folder, 'package/muster.mjs')], [executable]]) {
      const muster = (...args: string[]) => run(program ?? '', [...first, ...args], { cwd: folder, env });
      expect((await muster('--version')).stdout).toMatch(/^muster \d+\.\d+\.\d+\n$/);
      expect((await muster('queries', 'show', QUERY_ID)).stdout).toContain(QUERY_ID);
      // What it needs beside itself is inside: the questions, and the SQL engine.
      expect((await muster('questions', 'show', 'open-ports')).stdout).toContain('listening_ports');
      expect((await muster('pack', 'lint', PACK)).stdout).toContain('linux-baseline');
    }
  } finally {
    await api.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
