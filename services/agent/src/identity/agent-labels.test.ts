import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Labels } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { AgentLabels } from './agent-labels.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-labels-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (configured: Labels, onChange = (): void => {}): AgentLabels =>
  new AgentLabels({ folder, configured, logger: silentLogger, onChange });

describe('the labels of the agent', () => {
  test('changes by commands override the configuration and are stored; the other labels follow the configuration', () => {
    let changes = 0;
    const labels = open({ env: 'test', site: 'zrh' }, () => (changes += 1));
    labels.write({ env: 'prod', team: 'blue' });
    expect(changes).toBe(1);
    expect(labels.read()).toEqual({ env: 'prod', team: 'blue' });
    expect(open({ env: 'test', site: 'gva', rack: '7' }).read()).toEqual({ env: 'prod', team: 'blue', rack: '7' });
  });

  test('a label that is set back to the configured value follows the configuration again', () => {
    const labels = open({ env: 'test' });
    labels.write({ env: 'prod' });
    labels.write({ env: 'test' });
    expect(open({ env: 'dev' }).read()).toEqual({ env: 'dev' });
  });

  test('a failed write changes nothing', () => {
    let changes = 0;
    const labels = open({ env: 'test' }, () => (changes += 1));
    rmSync(folder, { recursive: true });
    expect(() => labels.write({ env: 'prod' })).toThrow('ENOENT');
    expect([labels.read(), changes]).toEqual([{ env: 'test' }, 0]);
  });

  test.each(['', '{"env":1}', '{"os":"linux"}'])('a file with %j is ignored', (text) => {
    writeFileSync(join(folder, 'labels.json'), text);
    expect(open({ env: 'test' }).read()).toEqual({ env: 'test' });
  });
});
