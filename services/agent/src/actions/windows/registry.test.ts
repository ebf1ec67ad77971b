import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { RecordedRun } from '../testing/action-harness.js';
import { program, script, platformHarness } from '../testing/platform-harness.js';
import { READ_KEY } from './registry-key.js';
import { criticalReason, parseRegistryKey } from './registry-path.js';
import { DELETE_VALUE, READ_VALUE, WRITE_VALUE } from './registry-value.js';

const { dataDir, play, playUndo } = platformHarness('windows');

describe('registry.delete_value', () => {
  const key = { hive: 'HKEY_LOCAL_MACHINE', subkey: 'SOFTWARE\\Vendor' };
  const path = 'HKLM\\SOFTWARE\\Vendor\\Run';
  const value = { ...key, name: 'Run' };
  const read = script(READ_VALUE, value, { kind: 'String', text: 'evil.exe', data: ['evil.exe'] });
  const kept = { ...value, kind: 'String', data: ['evil.exe'] };
  const row = { path, type: 'REG_SZ', data: 'evil.exe' };

  test('deletes the bound value, and the undo writes it back without overwriting', async () => {
    const runs = [read, script(DELETE_VALUE, kept, 'deleted')];
    const result = await play(runs, 'registry.delete_value', { binding: row });
    expect(result).toMatchObject({ state: 'succeeded', kept: [kept] });
    expect(await playUndo([script(WRITE_VALUE, kept, 'written')], 'registry.delete_value', kept)).toMatchObject({
      state: 'succeeded',
    });
    expect(await playUndo([script(WRITE_VALUE, kept, 'exists')], 'registry.delete_value', kept)).toMatchObject({
      code: 'exists',
    });
    expect(await play([read], 'registry.delete_value', { binding: row, dryRun: true })).toMatchObject({
      code: 'dry_run',
      kept: [],
    });
  });

  test('refuses other data, another type and a missing value', async () => {
    const other = createHash('sha256').update('good.exe').digest('hex');
    const refusal = { state: 'refused', code: 'changed', kept: [] };
    expect(await play([read], 'registry.delete_value', { binding: { ...row, data: 'good.exe' } })).toMatchObject(
      refusal,
    );
    expect(await play([read], 'registry.delete_value', { params: { path, data_sha256: other } })).toMatchObject(
      refusal,
    );
    expect(await play([read], 'registry.delete_value', { binding: { ...row, type: 'REG_DWORD' } })).toMatchObject(
      refusal,
    );
    expect(await play([script(READ_VALUE, value)], 'registry.delete_value', { binding: row })).toMatchObject(refusal);
    const race = [read, script(DELETE_VALUE, kept, 'changed')];
    expect(await play(race, 'registry.delete_value', { binding: row })).toMatchObject({ code: 'changed' });
  });

  test("finds a name with a backslash by the row's key and name", async () => {
    const odd = { ...key, name: 'a\\b' };
    const binding = { ...row, path: `${path}\\a\\b`, key: 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Vendor', name: 'a\\b' };
    const runs = [script(READ_VALUE, odd, { kind: 'String', text: 'evil.exe', data: ['evil.exe'] })];
    expect(await play(runs, 'registry.delete_value', { binding, dryRun: true })).toMatchObject({ code: 'dry_run' });
  });
});

describe('registry.delete_key', () => {
  const key = { hive: 'HKEY_LOCAL_MACHINE', subkey: 'SOFTWARE\\Vendor' };
  const path = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Vendor';
  const read = (keys: number): RecordedRun => script(READ_KEY, key, { keys, values: 2, mtime: 1_700_000_000 });

  test('exports the key before it deletes it, and undo imports it', async () => {
    const file = join(dataDir(), 'registry', 'command1-1.reg');
    const runs = [
      read(0),
      program('reg.exe', ['export', path, file, '/y', '/reg:64']),
      program('reg.exe', ['delete', path, '/f', '/reg:64']),
    ];
    const binding = { path, type: 'subkey', mtime: 1_700_000_000 };
    const result = await play(runs, 'registry.delete_key', { binding });
    expect(result).toMatchObject({ state: 'succeeded', kept: [{ file, key: path }] });
    const undone = { file, key: path };
    expect(await playUndo([], 'registry.delete_key', undone)).toMatchObject({ code: 'not_kept' });
    writeFileSync(file, 'Windows Registry Editor Version 5.00');
    expect(await playUndo([read(0)], 'registry.delete_key', undone)).toMatchObject({ code: 'exists' });
    const back = [script(READ_KEY, key), program('reg.exe', ['import', file, '/reg:64'])];
    expect(await playUndo(back, 'registry.delete_key', undone)).toMatchObject({ state: 'succeeded' });
  });

  test('refuses a changed, non-empty or critical key', async () => {
    const binding = { path, type: 'subkey', mtime: 1 };
    expect(await play([read(0)], 'registry.delete_key', { binding })).toMatchObject({ code: 'changed' });
    expect(await play([read(3)], 'registry.delete_key', { params: { path } })).toMatchObject({ code: 'not_empty' });
    const critical = [
      'HKLM\\SOFTWARE',
      'HKLM\\SYSTEM\\CurrentControlSet',
      'HKLM\\SYSTEM\\ControlSet001\\Services',
      'HKLM\\SAM\\SAM',
    ];
    const refusals = critical.map((text) => criticalReason(parseRegistryKey(text)!));
    for (const refusal of refusals) expect(refusal).toMatch(/hive|Windows/);
    expect(criticalReason(parseRegistryKey(path)!)).toBeUndefined();
    for (const text of ['HKLM', 'HKLM\\', 'HKXX\\a', 'HKLM\\a\\\\b', 'C:\\a'])
      expect(parseRegistryKey(text)).toBeUndefined();
  });
});
