import { describe, expect, it } from '@jest/globals';
import {
  parseBootTime,
  parseCgroup,
  parseCmdline,
  parseColonLines,
  parseEnviron,
  parseIds,
  parseProcStat,
} from './proc.js';

const STAT =
  '4711 (tmux: (se) v) S 1 4711 4711 0 -1 4194368 1302 0 3 0 120 45 0 0 20 -5 3 0 98765 8765440 912 18446744073709551615 1 1 0 0 0 0 0 3686400 134301185 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n';

describe('/proc files of a process', () => {
  it('reads a stat with spaces and parentheses in the name', () => {
    expect(parseProcStat(STAT)).toEqual({
      name: 'tmux: (se) v',
      state: 'S',
      parent: 1,
      group: 4711,
      session: 4711,
      tty: 0,
      flags: 4_194_368,
      userTicks: 120,
      systemTicks: 45,
      nice: -5,
      threads: 3,
      startTicks: 98_765,
      virtualBytes: 8_765_440,
    });
  });

  it('returns undefined for a truncated stat', () => {
    expect(parseProcStat('')).toBeUndefined();
    expect(parseProcStat('1 (x')).toBeUndefined();
  });

  it('reads status and io', () => {
    const status = parseColonLines('Name:\tsshd\nUid:\t1000\t0\t1000\t1000\nVmRSS:\t    9876 kB\n');
    expect(status.get('Name')).toBe('sshd');
    expect(parseIds(status.get('Uid'))).toEqual([1000, 0, 1000]);
    expect(parseIds(undefined)).toBeUndefined();
  });

  it('reads arguments and environment', () => {
    expect(parseCmdline('/bin/sh\0-c\0echo hi\0')).toBe('/bin/sh -c echo hi');
    expect(parseCmdline('nginx: worker process\0\0\0\0')).toBe('nginx: worker process');
    expect(parseCmdline('')).toBe('');
    expect(parseEnviron('A=1\0B=x=y\0broken\0C=\0')).toEqual([
      ['A', '1'],
      ['B', 'x=y'],
      ['C', ''],
    ]);
  });

  it('prefers the unified control group', () => {
    expect(parseCgroup('12:cpu:/old\n0::/system.slice/ssh.service\n')).toBe('/system.slice/ssh.service');
    expect(parseCgroup('3:memory:/docker/abc\n')).toBe('/docker/abc');
    expect(parseCgroup('')).toBeUndefined();
  });

  it('finds the boot time', () => {
    expect(parseBootTime('cpu  1 2 3\nbtime 1700000000\nprocesses 9\n')).toBe(1_700_000_000);
    expect(parseBootTime('')).toBeUndefined();
  });
});
