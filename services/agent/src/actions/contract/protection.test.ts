import { describe, expect, test } from '@jest/globals';
import { Protection } from './protection.js';

describe('configured protection', () => {
  const protection = new Protection(['sshd', ' backup.service ', '/opt/edr/', '/usr/bin/vault', ''], 'linux');

  test.each([
    ['sshd', true],
    ['sshd.service', true],
    ['backup', true],
    ['sshd2', false],
    ['ssh', false],
    ['SSHD', false],
    ['', false],
    ['.service', false],
  ])('the name %s: %s', (name, expected) => {
    expect(protection.name(undefined, name) !== undefined).toBe(expected);
  });

  test.each([
    ['/opt/edr', true],
    ['/opt/edr/bin/agent', true],
    ['/opt/edr2/bin', false],
    ['/usr/bin/vault', true],
    ['/usr/bin/vaults', false],
    ['/opt', false],
  ])('the path %s: %s', (path, expected) => {
    expect(protection.path(path) !== undefined).toBe(expected);
  });

  test('Windows and macOS ignore case', () => {
    const windows = new Protection(['LSASS.exe', 'C:\\Program Files\\EDR'], 'windows');
    expect(windows.name('lsass')).toMatch(/lsass/);
    expect(windows.path('c:\\program files\\edr\\a.exe')).toBeDefined();
    expect(windows.path('c:\\program files\\edrs')).toBeUndefined();
  });

  test('nothing is protected without configuration', () => {
    const none = new Protection([], 'linux');
    expect([none.name('sshd'), none.path('/')]).toEqual([undefined, undefined]);
  });
});
