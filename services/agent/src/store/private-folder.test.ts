import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openPrivateFolder, removeLeftovers } from './private-folder.js';

const onUnix = process.platform === 'win32' ? describe.skip : describe;

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-private-'));
  data = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, mode = 0o600): string {
  const path = join(data, name);
  writeFileSync(path, 'x');
  chmodSync(path, mode);
  return path;
}

onUnix('the data directory', () => {
  test('is created for this user alone, and opened again with what is in it', () => {
    openPrivateFolder(data);
    expect(statSync(data).mode & 0o7777).toBe(0o700);
    file('agent-key.json');
    mkdirSync(join(data, 'undo'), { mode: 0o700 });
    expect(() => openPrivateFolder(data)).not.toThrow();
  });

  test('is closed to those who may only read it', () => {
    mkdirSync(data);
    chmodSync(data, 0o755);
    openPrivateFolder(data);
    expect(statSync(data).mode & 0o7777).toBe(0o700);
  });

  test.each([0o777, 0o1777, 0o770, 0o702])('is refused when others may write to it (mode %o)', (mode) => {
    mkdirSync(data);
    chmodSync(data, mode);
    expect(() => openPrivateFolder(data)).toThrow(`${data}: others may write to it`);
  });

  test('is refused when everybody may replace it, unless the folder above is sticky', () => {
    const above = join(folder, 'above');
    mkdirSync(above);
    chmodSync(above, 0o777);
    expect(() => openPrivateFolder(join(above, 'data'))).toThrow(`${above}: everybody may replace what is in it`);
    chmodSync(above, 0o1777);
    expect(() => openPrivateFolder(join(above, 'data'))).not.toThrow();
  });

  test.each([
    ['a file that others may change', () => void file('labels.json', 0o666), /labels.json: others may write/],
    ['a key that others may read', () => void file('agent-key.json', 0o644), /agent-key.json: others may read it/],
    ['a token that others may read', () => void file('agent-token', 0o640), /agent-token: others may read it/],
    ['a link', () => symlinkSync('/etc/passwd', join(data, 'denied.json')), /denied.json: it is neither a file/],
    ['a link that leads nowhere', () => symlinkSync('/nowhere', join(data, 'agent.lock')), /agent.lock: it is neither/],
    [
      'a file of others in a folder of the agent',
      () => {
        mkdirSync(join(data, 'undo'), { mode: 0o700 });
        file('undo/x.json', 0o666);
      },
      /undo\/x.json: others may write/,
    ],
  ])('is refused with %s in it', (_what, put, message) => {
    mkdirSync(data, { mode: 0o700 });
    put();
    expect(() => openPrivateFolder(data)).toThrow(message);
  });

  test('may have a lock in it, which is a link that names a process; what a killed agent left is removed', () => {
    mkdirSync(join(data, 'undo'), { recursive: true, mode: 0o700 });
    chmodSync(data, 0o700);
    symlinkSync('4711 815', join(data, 'agent.lock'));
    for (const name of ['.0123456789ab.tmp', 'undo/.0123456789ab.tmp', 'agent.lock.0123456789ab', 'labels.json'])
      file(name);
    openPrivateFolder(data);
    removeLeftovers(data);
    expect([readdirSync(data).sort(), readdirSync(join(data, 'undo'))]).toEqual([
      ['agent.lock', 'labels.json', 'undo'],
      [],
    ]);
  });

  test('is refused when it, or what is in it, belongs to somebody else', () => {
    if (process.getuid?.() !== 0) {
      process.stderr.write('skipped: it takes root to give files away\n');
      return;
    }
    mkdirSync(data, { mode: 0o700 });
    const key = file('agent-key.json');
    chownSync(key, 65_534, 65_534);
    expect(() => openPrivateFolder(data)).toThrow(/agent-key.json: it belongs to user 65534/);
    chownSync(key, 0, 0);
    chownSync(data, 65_534, 65_534);
    expect(() => openPrivateFolder(data)).toThrow(`${data}: it belongs to user 65534, and this agent is user 0`);
  });
});
