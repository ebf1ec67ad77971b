import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '@muster/protocol';
import { parseBinding } from './binding.js';
import { findAction } from './catalogue/catalogue.js';

const socket = { pid: 9, protocol: 6, local_address: '::1', local_port: 1, remote_address: '::1', remote_port: 2 };

describe('the binding of an action', () => {
  test.each([
    [
      'process.kill',
      { pid: '17', start_time: 5, path: '/x', name: 'x', cmdline: 'x 1' },
      { pid: 17, start_time: 5, path: '/x' },
    ],
    ['process.kill', { pid: 17, start_time: 5, path: null }, { pid: 17, start_time: 5 }],
    ['process.kill', { pid: 17, start_time: 5, path: '' }, { pid: 17, start_time: 5, path: '' }],
    ['service.stop', { id: 'cron.service', fragment_path: '/lib/x' }, { id: 'cron.service', fragment_path: '/lib/x' }],
    ['service.stop', { name: 'Spooler', status: 'RUNNING' }, { name: 'Spooler' }],
    ['service.stop', { label: 'com.x', name: null }, { label: 'com.x' }],
    [
      'connection.kill',
      { ...socket, socket: '18446744073709551615', fd: 3 },
      { ...socket, socket: '18446744073709551615' },
    ],
    [
      'package.remove',
      { name: 'x', version: '1', arch: 'amd64', revision: '' },
      { name: 'x', version: '1', arch: 'amd64' },
    ],
    [
      'package.remove',
      { name: 'x', version: '1', release: '2', arch: 'noarch', epoch: null },
      { name: 'x', version: '1', release: '2', arch: 'noarch' },
    ],
    [
      'package.remove',
      { name: 'x', version: '1', identifying_number: '{A}' },
      { name: 'x', version: '1', identifying_number: '{A}' },
    ],
    [
      'package.remove',
      { path: '/Applications/X.app', bundle_identifier: 'com.x', name: 'X.app' },
      { path: '/Applications/X.app', bundle_identifier: 'com.x' },
    ],
    [
      'arp.flush',
      { address: '10.0.0.1', interface: 'eth0', mac: 'aa', permanent: '0' },
      { address: '10.0.0.1', interface: 'eth0', mac: 'aa' },
    ],
    ['file.quarantine', { path: '/x', sha256: 'ab', md5: 'c' }, { path: '/x', sha256: 'ab' }],
    ['file.quarantine', { path: '/x', size: 5, mtime: 7 }, { path: '/x', size: 5, mtime: 7 }],
    [
      'session.logout',
      { user: 'eve', tty: 'pts/0', pid: 8, host: 'h', time: 4 },
      { user: 'eve', tty: 'pts/0', pid: 8, time: 4 },
    ],
    [
      'registry.delete_key',
      { path: 'HKEY_USERS\\x', type: 'subkey', data: '' },
      { path: 'HKEY_USERS\\x', type: 'subkey' },
    ],
  ])('%s keeps only the compared columns of %j', (name, row, expected) => {
    const parsed = parseBinding(findAction(name)!, row);
    expect(parsed).toEqual({ ok: true, binding: expected });
    expect(parseBinding(findAction(name)!, expected)).toEqual({ ok: true, binding: expected });
  });

  test('large data is stored as its hash', () => {
    const row = { path: 'HKEY_USERS\\x\\y', type: 'REG_SZ', data: 'é'.repeat(50_000), key: 'HKEY_USERS\\x', name: 'y' };
    const data_sha256 = createHash('sha256').update(row.data).digest('hex');
    const binding = { path: row.path, type: row.type, data_sha256, key: row.key, name: 'y' };
    expect(parseBinding(findAction('registry.delete_value')!, row)).toEqual({ ok: true, binding });
    expect(parseBinding(findAction('registry.delete_value')!, binding)).toEqual({ ok: true, binding });
    const broken = { ...binding, data_sha256: 'short' };
    expect(parseBinding(findAction('registry.delete_value')!, broken)).toMatchObject({
      ok: false,
      faults: [{ path: 'data' }],
    });
  });

  test.each([
    ['process.kill', { pid: 17 }, 'start_time', /processes/],
    ['process.kill', { pid: 17, start_time: null }, 'start_time', /processes/],
    ['process.kill', { pid: 'x', start_time: 5 }, 'pid', /whole number/],
    ['process.kill', { pid: 1.5, start_time: 5 }, 'pid', /whole number/],
    ['process.kill', { pid: 17, start_time: 5, path: 4 }, 'path', /text/],
    ['process.kill', Object.create({ pid: 17, start_time: 5 }), 'pid', /processes/],
    ['process.kill', 'x', '', /object/],
    ['process.kill', [], '', /object/],
    ['service.stop', { pid: 1 }, '', /systemd_units \(id\)/],
    ['dns.flush', { pid: 1 }, '', /cannot be bound/],
    ['service.stop', { name: 'x'.repeat(LIMITS.bindingBytes) }, '', /bytes/],
  ])('%s rejects %j', (name, row, path, message) => {
    const parsed = parseBinding(findAction(name)!, row);
    const fault = parsed.ok ? undefined : parsed.faults.find((one) => one.path === path);
    expect(fault?.message).toMatch(message);
  });
});
