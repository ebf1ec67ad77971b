import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '@muster/protocol';
import { z } from 'zod';
import { ACTIONS, findAction } from './catalogue/catalogue.js';
import { parseParams } from './params.js';
import { paramFromText } from './text-params.js';

const DIGEST = 'a'.repeat(64);
const WINDOWS_KEY = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Adware';

/** Action, parameters, parsed parameters. */
const GOOD: readonly (readonly [string, object, object])[] = [
  ['process.kill', { pid: 17 }, { pid: 17, signal: 'KILL' }],
  [
    'process.kill',
    { pid: 17, start_time: 5, path: '/usr/bin/x', signal: 'TERM' },
    { pid: 17, start_time: 5, path: '/usr/bin/x', signal: 'TERM' },
  ],
  ['process.kill', { name: 'abc.exe' }, { name: 'abc.exe', signal: 'KILL' }],
  [
    'process.kill',
    { name: 'abc.exe', path: 'C:\\Temp\\abc.exe' },
    { name: 'abc.exe', path: 'C:\\Temp\\abc.exe', signal: 'KILL' },
  ],
  ['service.stop', { name: 'cron' }, { name: 'cron' }],
  ['service.start', { name: 'ssh@7.service' }, { name: 'ssh@7.service' }],
  ['service.restart', { name: 'com.apple.x' }, { name: 'com.apple.x' }],
  [
    'connection.kill',
    { local_address: '::1', local_port: 1, remote_address: 'fe80::1%eth0', remote_port: 65_535, pid: 3 },
    {
      protocol: 'tcp',
      local_address: '::1',
      local_port: 1,
      remote_address: 'fe80::1%eth0',
      remote_port: 65_535,
      pid: 3,
    },
  ],
  [
    'registry.delete_value',
    { path: `${WINDOWS_KEY}\\run`, type: 'REG_SZ', data_sha256: DIGEST },
    { path: `${WINDOWS_KEY}\\run`, type: 'REG_SZ', data_sha256: DIGEST },
  ],
  ['registry.delete_key', { path: WINDOWS_KEY }, { path: WINDOWS_KEY, recursive: false }],
  [
    'package.remove',
    { name: 'adware', version: '1.0-2', arch: 'amd64' },
    { name: 'adware', version: '1.0-2', arch: 'amd64', purge: false },
  ],
  ['arp.flush', {}, {}],
  ['arp.flush', { interface: 'eth0', address: '10.0.0.1' }, { interface: 'eth0', address: '10.0.0.1' }],
  ['dns.flush', {}, {}],
  ['file.quarantine', { path: '/tmp/x', sha256: DIGEST }, { path: '/tmp/x', sha256: DIGEST }],
  ['file.restore', { item: 'q1' }, { item: 'q1' }],
  ['file.restore', { path: '/tmp/x', sha256: DIGEST }, { path: '/tmp/x', sha256: DIGEST }],
  ['host.isolate', {}, { allow: [], releaseAfter: '1h' }],
  [
    'host.isolate',
    { allow: ['10.0.0.0/8', '::1', '1.2.3.4'], releaseAfter: 5_000 },
    { allow: ['10.0.0.0/8', '::1', '1.2.3.4'], releaseAfter: 5_000 },
  ],
  ['host.release', {}, {}],
  ['session.logout', { user: 'eve', tty: 'pts/0' }, { user: 'eve', tty: 'pts/0' }],
  ['session.logout', { session: 'c2' }, { session: 'c2' }],
  ['agent.set_labels', { set: { env: 'prod' }, remove: ['old'] }, { set: { env: 'prod' }, remove: ['old'] }],
  ['agent.set_labels', { remove: ['old'] }, { remove: ['old'] }],
  ['undo', { command: 'c1' }, { command: 'c1' }],
];

/** Action, parameters, path of the fault, a word of its message. */
const BAD: readonly (readonly [string, unknown, string, RegExp])[] = [
  ['process.kill', {}, '', /pid; name/],
  ['process.kill', { signal: 'KILL' }, '', /one of these/],
  ['process.kill', { pid: 0 }, 'pid', /whole number from 1/],
  ['process.kill', { pid: 1.5 }, 'pid', /whole number/],
  ['process.kill', { pid: '17' }, 'pid', /whole number/],
  ['process.kill', { pid: 2 ** 31 }, 'pid', /2147483647/],
  ['process.kill', { pid: 17, name: 'x' }, 'name', /together with pid/],
  ['process.kill', { name: 'x', start_time: 5 }, 'start_time', /together with name/],
  ['process.kill', { name: '/bin/x' }, 'name', /no folder/],
  ['process.kill', { name: '' }, 'name', /empty/],
  ['process.kill', { name: 'a\0b' }, 'name', /control/],
  ['process.kill', { pid: 17, path: 'bin/x' }, 'path', /absolute/],
  ['process.kill', { pid: 17, path: '/a/../x' }, 'path', /"\.\."/],
  ['process.kill', { pid: 17, signal: 'HUP' }, 'signal', /TERM or KILL/],
  ['process.kill', [], '', /object/],
  ['process.kill', null, '', /object/],
  ['service.stop', { name: '--all' }, 'name', /"-"/],
  ['service.stop', { name: '../../tmp/x' }, 'name', /slash/],
  ['service.stop', {}, 'name', /needed/],
  ['connection.kill', { local_address: '1.2.3.4', local_port: 1, remote_port: 2 }, 'remote_address', /needed/],
  [
    'connection.kill',
    { local_address: 'host', local_port: 1, remote_address: '::1', remote_port: 2 },
    'local_address',
    /IP/,
  ],
  [
    'connection.kill',
    { local_address: '::1', local_port: 0, remote_address: '::1', remote_port: 2 },
    'local_port',
    /port/,
  ],
  ['connection.kill', { protocol: 'sctp' }, 'protocol', /tcp or udp/],
  ['registry.delete_value', { path: 'SOFTWARE\\X' }, 'path', /hive/],
  ['registry.delete_key', { path: 'HKEY_LOCAL_MACHINE\\' }, 'path', /hive/],
  ['registry.delete_key', { path: 'HKEY_LOCAL_MACHINE' }, 'path', /hive/],
  ['package.remove', { name: '--purge' }, 'name', /"-"/],
  ['package.remove', { version: '1' }, 'name', /needed/],
  ['arp.flush', { interface: '-a' }, 'interface', /"-"/],
  ['arp.flush', { address: '10.0.0.0/8' }, 'address', /IP/],
  ['file.quarantine', { path: '/' }, 'path', /absolute/],
  ['file.quarantine', { path: '/x', sha256: 'abc' }, 'sha256', /64/],
  ['file.restore', { item: 'a', path: '/x' }, 'path', /together with item/],
  ['host.isolate', { releaseAfter: '25h' }, 'releaseAfter', /24h/],
  ['host.isolate', { releaseAfter: 1 }, 'releaseAfter', /5s/],
  ['host.isolate', { releaseAfter: 'soon' }, 'releaseAfter', /duration/],
  ['host.isolate', { allow: ['10.0.0.0/33'] }, 'allow.0', /block/],
  ['host.isolate', { allow: ['0x7f000001'] }, 'allow.0', /block/],
  ['session.logout', { tty: 'pts/0' }, '', /user; session/],
  ['session.logout', { user: '-9' }, 'user', /"-"/],
  ['agent.set_labels', {}, '', /set; remove/],
  ['agent.set_labels', { set: { host: 'x' } }, 'set', /built in/],
  ['agent.set_labels', { set: { env: 'a b' } }, 'set', /letters/],
  ['agent.set_labels', { remove: [] }, 'remove', /must name/],
  ['undo', {}, 'command', /text/],
];

describe('parameters', () => {
  test.each(GOOD)('%s accepts %j', (name, params, expected) => {
    expect(parseParams(findAction(name)!, params)).toEqual({ ok: true, params: expected });
    // The agent parses again what a service has parsed and signed.
    expect(parseParams(findAction(name)!, expected)).toEqual({ ok: true, params: expected });
  });

  test.each(BAD)('%s rejects %j', (name, params, path, message) => {
    const parsed = parseParams(findAction(name)!, params);
    const faults = parsed.ok ? [] : parsed.faults;
    expect(faults.map((fault) => fault.path)).toContain(path);
    expect(faults.find((fault) => fault.path === path)?.message).toMatch(message);
  });

  test('all faults are reported at once', () => {
    const parsed = parseParams(findAction('process.kill')!, { pid: 0, signal: 'HUP', extra: 1 });
    expect(parsed.ok ? [] : parsed.faults.map((fault) => fault.path).sort()).toEqual(['extra', 'pid', 'signal']);
  });

  test('row and parameters must not both name the object', () => {
    const kill = findAction('process.kill')!;
    expect(parseParams(kill, { signal: 'TERM' }, { bound: true })).toEqual({ ok: true, params: { signal: 'TERM' } });
    expect(parseParams(kill, { pid: 17 }, { bound: true })).toMatchObject({ ok: false, faults: [{ path: 'pid' }] });
  });

  test('a bound action gets no defaults for object parameters, so that parsing is idempotent', () => {
    for (const action of ACTIONS.filter(({ binds }) => binds !== undefined)) {
      const once = parseParams(action, {}, { bound: true });
      expect(once).toMatchObject({ ok: true });
      expect(parseParams(action, once.ok ? once.params : {}, { bound: true })).toEqual(once);
    }
  });

  test('parsing is idempotent with and without a row, also with defaults', () => {
    for (const action of ACTIONS) {
      for (const bound of [true, false]) {
        const first = parseParams(action, {}, { bound });
        if (first.ok)
          expect([action.name, bound, parseParams(action, first.params, { bound })]).toEqual([
            action.name,
            bound,
            first,
          ]);
      }
    }
    expect(parseParams(findAction('connection.kill')!, {}, { bound: true })).toEqual({ ok: true, params: {} });
  });

  test('parameters too large for a frame are rejected', () => {
    const allow = { set: Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`k${i}`, 'v'.repeat(600)])) };
    expect(parseParams(findAction('agent.set_labels')!, allow).ok).toBe(false);
    const long = `/${'x'.repeat(LIMITS.paramsBytes)}`;
    expect(parseParams(findAction('file.quarantine')!, { path: long }).ok).toBe(false);
  });

  test('__proto__ is an unknown parameter like any other', () => {
    expect(parseParams(findAction('arp.flush')!, JSON.parse('{"__proto__": {"interface": "eth0"}}'))).toMatchObject({
      ok: false,
    });
  });
});

describe('parameters typed as text', () => {
  test.each([
    [
      'process.kill',
      [
        ['pid', '17'],
        ['signal', 'TERM'],
      ],
      { pid: 17, signal: 'TERM' },
    ],
    ['process.kill', [['name', '17']], { name: '17' }],
    ['process.kill', [['pid', 'abc']], { pid: 'abc' }],
    [
      'package.remove',
      [
        ['name', 'x'],
        ['purge', 'true'],
        ['version', '2'],
      ],
      { name: 'x', purge: true, version: '2' },
    ],
    [
      'host.isolate',
      [
        ['allow', '10.0.0.0/8, ::1'],
        ['releaseAfter', '15m'],
      ],
      { allow: ['10.0.0.0/8', '::1'], releaseAfter: '15m' },
    ],
    ['host.isolate', [['releaseAfter', '60000']], { releaseAfter: 60_000 }],
    [
      'agent.set_labels',
      [
        ['set', 'env=prod,tier='],
        ['remove', 'old'],
      ],
      { set: { env: 'prod', tier: '' }, remove: ['old'] },
    ],
    ['agent.set_labels', [['set', 'env']], { set: 'env' }],
    ['arp.flush', [['nonsense', '5']], { nonsense: '5' }],
  ] as const)('%s %j', (name, pairs, expected) => {
    const properties = z.toJSONSchema(findAction(name)!.params, { io: 'input' }).properties ?? {};
    const params = pairs.map(([key, text]) => [key, paramFromText(properties[key], text)]);
    expect(Object.fromEntries(params)).toEqual(expected);
  });

  test('object parameters of bound rows are never filled in, so that parsing is idempotent', () => {
    for (const action of ACTIONS.filter(({ binds }) => binds !== undefined)) {
      const once = parseParams(action, {}, { bound: true });
      if (!once.ok) continue;
      expect([action.name, parseParams(action, once.params, { bound: true })]).toEqual([action.name, once]);
    }
  });
});
