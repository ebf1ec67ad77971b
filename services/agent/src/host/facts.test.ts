import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { factsSchema } from '@muster/protocol';
import { collectFacts, parseOsRelease } from './facts.js';
import { machineInstance, type MachineSources } from './instance.js';

describe('facts', () => {
  test('this machine has some, and they fit the protocol', () => {
    const facts = collectFacts('1.2.3');
    expect(factsSchema.parse(facts)).toEqual(facts);
    expect(facts.agentVersion).toBe('1.2.3');
  });

  test('os-release with quotes, escapes and comments', () => {
    const text = '# a comment\nNAME="Debian \\"GNU\\"/Linux"\nID=debian\nVERSION_ID=\'12\'\n';
    expect(parseOsRelease(text)).toEqual({ name: 'Debian "GNU"/Linux', version: '12' });
    expect(parseOsRelease('NAME=Arch\nVERSION="1 (x)"')).toEqual({ name: 'Arch', version: '1 (x)' });
    expect(parseOsRelease('')).toBeUndefined();
  });
});

describe('the instance', () => {
  const machine = (files: Record<string, string>, name = 'host', macs = ['02:00:00:00:00:01']): MachineSources => ({
    readFile: (path) => files[path],
    hostname: () => name,
    macs: () => macs,
    inode: () => 7n,
  });
  const hex = (sources: MachineSources): string => Buffer.from(machineInstance('/data', sources)).toString('hex');

  test('is 16 bytes and the same at every start', () => {
    expect(machineInstance('.')).toHaveLength(16);
    expect(machineInstance('.')).toEqual(machineInstance('.'));
  });

  test('a copy of the data directory on the same machine has another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'muster-instance-'));
    try {
      const [original, copy, moved] = ['original', 'copy', 'moved'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await mkdir(original);
      const instance = machineInstance(original);
      await cp(original, copy, { recursive: true });
      expect(machineInstance(copy)).not.toEqual(instance);
      await rename(original, moved);
      expect(machineInstance(moved)).toEqual(instance);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('follows the machine id and the hardware, not the name', () => {
    const a = machine({ '/etc/machine-id': 'one' });
    expect(hex(a)).toBe(hex(machine({ '/etc/machine-id': 'one' }, 'renamed', [])));
    expect(hex(a)).not.toBe(hex(machine({ '/etc/machine-id': 'two' })));
  });

  test('two clones of one template differ by their hardware UUID', () => {
    const clone = (uuid: string) => machine({ '/etc/machine-id': 'same', '/sys/class/dmi/id/product_uuid': uuid });
    expect(hex(clone('A'))).not.toBe(hex(clone('B')));
  });

  test('without both it is the host name and the MAC addresses', () => {
    expect(hex(machine({}, 'a'))).not.toBe(hex(machine({}, 'b')));
    expect(hex(machine({}, 'a', ['02:00:00:00:00:02']))).not.toBe(hex(machine({}, 'a')));
  });
});
