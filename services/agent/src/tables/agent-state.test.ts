import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeRows } from '@muster/protocol';
import { createLocalEngine } from '../worker/local-engine.js';
import { IsolationStore } from '../actions/isolation/isolation-state.js';
import { QuarantineStore } from '../actions/quarantine/quarantine-store.js';

describe('what the agent keeps', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'muster-state-'));
    mkdirSync(join(dataDir, 'quarantine'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  async function rows(sql: string, agent: { dataDir?: string } = { dataDir }): Promise<unknown[][]> {
    const engine = await createLocalEngine({ about: () => ({ agentId: 'me', ...agent }) });
    const chunks: Uint8Array[] = [];
    let width = 0;
    const result = engine.execute(sql, {
      onColumns: ({ length }) => (width = length),
      onRows: (chunk) => void chunks.push(chunk),
      limits: {},
    });
    engine.close();
    expect(result.ok).toBe(true);
    return chunks.flatMap((chunk) => decodeRows(chunk, width));
  }

  it('files in quarantine, as its store has them, and nothing else that lies there', async () => {
    const id = 'a'.repeat(32);
    new QuarantineStore(dataDir).commit({
      ...{ id, path: '/srv/b\uefff', sha256: 'f'.repeat(64), size: 7, mode: 0o100_755, uid: 1, gid: 2 },
      ...{ accessedMs: 1_000, modifiedMs: 2_500.5, command: 'c1', takenAtMs: 3_000 },
    });
    writeFileSync(join(dataDir, 'quarantine', `${'b'.repeat(32)}.json`), 'no json');
    writeFileSync(join(dataDir, 'quarantine', 'x.json'), '{}');
    symlinkSync('/dev/zero', join(dataDir, 'quarantine', `${'c'.repeat(32)}.json`));
    expect(await rows('SELECT id, path, size, mode, mtime, taken_at, command FROM quarantine')).toEqual([
      [id, '/srv/b\uefff', 7, '0755', 2, 3, 'c1'],
    ]);
  });

  it('the isolation in force, from its beginning to its end', async () => {
    const store = new IsolationStore(dataDir);
    expect(await rows('SELECT * FROM isolation')).toEqual([]);
    store.save({ command: 'c2', number: 1, releaseAtMs: 9_000, lastsMs: 5_000, allow: ['10.0.0.0/8', '::1'] });
    expect(await rows('SELECT * FROM isolation')).toEqual([['c2', 9, 5, '10.0.0.0/8,::1', '']]);
    store.clear();
    expect(await rows('SELECT * FROM isolation')).toEqual([]);
  });

  it('nothing where no agent runs', async () => {
    expect(await rows('SELECT * FROM quarantine, isolation', {})).toEqual([]);
    expect(await rows('SELECT agent_id FROM muster_info')).toEqual([['me']]);
  });
});
