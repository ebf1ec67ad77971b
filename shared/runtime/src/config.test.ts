import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { defineConfig, loadConfig, printableConfig, type ConfigOf } from './config.js';
import { field } from './field.js';
import { Secret } from './secret.js';

const definition = defineConfig({
  prefix: 'MUSTER_DEMO_',
  fields: {
    port: field.port('MUSTER_DEMO_PORT', { default: 8443 }),
    nats: field.url('MUSTER_NATS_URL', { protocols: ['nats', 'tls'] }),
    nodes: field.urls('MUSTER_DEMO_NODES', { protocols: ['redis'], default: [] }),
    age: field.durationMs('MUSTER_DEMO_AGE', { default: 1_000, min: 10, max: 60_000 }),
    buffer: field.bytes('MUSTER_DEMO_BUFFER', { default: 1024, max: 2 ** 22 }),
    tls: field.bool('MUSTER_DEMO_TLS', { default: true }),
    orgs: field.list('MUSTER_DEMO_ORGS', { default: [] }),
    proxies: field.proxies('MUSTER_DEMO_PROXIES'),
    transport: field.oneOf('MUSTER_DEMO_TRANSPORT', ['auto', 'uws', 'ws'], { default: 'auto' }),
    sessions: field.int('MUSTER_DEMO_SESSIONS', { optional: true, min: 1 }),
    key: field.secret('MUSTER_DEMO_KEY', {
      optional: true,
      check: (text) => (text.length < 4 ? 'is too short' : undefined),
    }),
  },
  check: ({ tls, port }) =>
    tls && port === 80 ? [{ name: 'MUSTER_DEMO_PORT', fault: 'is 80, which is not for TLS' }] : [],
});

const good = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222' };
const noFile = (): string => {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
};

function configOf(env: Record<string, string>, readFile = noFile): ConfigOf<typeof definition> {
  const result = loadConfig(definition, { ...good, ...env }, readFile);
  if (!result.ok) throw result.error;
  return result.config;
}

function faultsOf(env: Record<string, string>, readFile = noFile): Record<string, string> {
  const result = loadConfig(definition, env, readFile);
  if (result.ok) throw new Error('expected faults');
  return Object.fromEntries(result.error.faults.map(({ name, fault }) => [name, fault]));
}

describe('configuration', () => {
  test('every fault is listed at once, with the name, what is wrong and an example', () => {
    const result = loadConfig(definition, {
      MUSTER_DEMO_PORT: '70000',
      MUSTER_DEMO_AGE: 'soon',
      MUSTER_DEMO_BUFFER: '5MiB',
      MUSTER_DEMO_TLS: 'perhaps',
      MUSTER_DEMO_NODES: 'redis://a:1,http://b:2',
      MUSTER_DEMO_PROXIES: '::1,10.0.0.0/33',
      MUSTER_DEMO_TRANSPORT: 'tcp',
      MUSTER_DEMO_SESSIONS: '0',
    });
    expect(!result.ok && result.error.message).toBe(
      [
        'The configuration has faults:',
        '  MUSTER_DEMO_PORT is "70000" but must be a whole number from 0 to 65535 (for example: 8443)',
        '  MUSTER_NATS_URL is not set (for example: nats://127.0.0.1:4222)',
        '  MUSTER_DEMO_NODES is "redis://a:1,http://b:2" but each of the list must be a URL that starts with redis:// (for example: redis://127.0.0.1:6379)',
        '  MUSTER_DEMO_AGE is "soon" but must be a duration such as 30s or 5m (for example: 30s)',
        '  MUSTER_DEMO_BUFFER is "5MiB" but must be at most 4194304 bytes (for example: 4MiB)',
        '  MUSTER_DEMO_TLS is "perhaps" but must be true or false (for example: true)',
        '  MUSTER_DEMO_PROXIES is "::1,10.0.0.0/33" but "10.0.0.0/33" is not an address or network (for example: 10.0.0.0/8,127.0.0.1)',
        '  MUSTER_DEMO_TRANSPORT is "tcp" but must be one of auto, uws, ws (for example: auto)',
        '  MUSTER_DEMO_SESSIONS is "0" but must be a whole number from 1 to 9007199254740991 (for example: 1)',
      ].join('\n'),
    );
  });

  test('what is not set takes its default, an optional one is undefined, and set to nothing is not set', () => {
    expect(configOf({ MUSTER_DEMO_PORT: '  ' })).toEqual({
      port: 8443,
      nats: 'nats://127.0.0.1:4222',
      nodes: [],
      age: 1_000,
      buffer: 1024,
      tls: true,
      orgs: [],
      proxies: { networks: [], trusts: expect.any(Function) },
      transport: 'auto',
      sessions: undefined,
      key: undefined,
    });
  });

  test('values are read in their people-friendly forms', () => {
    const config = configOf({
      MUSTER_DEMO_AGE: '5s',
      MUSTER_DEMO_BUFFER: '2MiB',
      MUSTER_DEMO_TLS: 'off',
      MUSTER_DEMO_ORGS: ' acme, globex ,',
      MUSTER_DEMO_PROXIES: '10.0.0.0/8, ::1',
      MUSTER_DEMO_NODES: 'redis://a:1, redis://b:2',
    });
    expect(config).toMatchObject({ age: 5_000, buffer: 2_097_152, tls: false, orgs: ['acme', 'globex'] });
    expect(config.nodes).toEqual(['redis://a:1', 'redis://b:2']);
    expect(['10.1.2.3', '::1', '11.0.0.1'].map((address) => config.proxies.trusts(address))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test('what fields must satisfy together is checked once each is right by itself', () => {
    expect(faultsOf({ ...good, MUSTER_DEMO_PORT: '80' })).toEqual({ MUSTER_DEMO_PORT: 'is 80, which is not for TLS' });
    expect(faultsOf({ ...good, MUSTER_DEMO_PORT: '80', MUSTER_DEMO_TLS: '?' })).not.toHaveProperty('MUSTER_DEMO_PORT');
  });

  test('a misspelt variable of the own prefix is a warning that names it, others are nobody’s business', () => {
    const result = loadConfig(definition, {
      ...good,
      MUSTER_DEMO_PROT: '1',
      MUSTER_OTHER_X: '1',
      MUSTER_DEMO_KEY_FILE: '',
    });
    expect(result.ok && result.warnings).toEqual(['MUSTER_DEMO_PROT is set, but no setting has that name']);
  });

  test('a custom field uses a zod schema and shows its message', () => {
    const schema = z.string().regex(/^[a-z]+$/, 'must be lower-case letters');
    const custom = defineConfig({ prefix: 'X_', fields: { word: field.custom('X_WORD', schema, { example: 'abc' }) } });
    const result = loadConfig(custom, { X_WORD: 'ABC' });
    expect(!result.ok && result.error.faults).toEqual([
      { name: 'X_WORD', fault: 'is "ABC" but must be lower-case letters', example: 'abc' },
    ]);
  });
});

describe('secrets', () => {
  test('a secret is printed as [secret] whichever way it is printed, and revealed only when asked', () => {
    const { key } = configOf({ MUSTER_DEMO_KEY: 'hunter2' });
    const printed = [String(key), JSON.stringify({ key }), inspect({ key }), `${inspect(key, { showHidden: true })}`];
    expect(printed.join()).not.toContain('hunter2');
    expect(printed.join()).toContain('[secret]');
    expect(key?.reveal()).toBe('hunter2');
  });

  test('a secret may come from a file, without its last line break', () => {
    const config = configOf({ MUSTER_DEMO_KEY_FILE: '/run/secrets/key' }, (path?: string) => `from ${path ?? ''}\n`);
    expect(config.key?.reveal()).toBe('from /run/secrets/key');
  });

  test('a secret given twice, an unreadable and an empty file are faults', () => {
    expect(faultsOf({ ...good, MUSTER_DEMO_KEY: 'abcd', MUSTER_DEMO_KEY_FILE: '/x' })).toEqual({
      MUSTER_DEMO_KEY_FILE: 'is set, and so is MUSTER_DEMO_KEY; keep one of them',
    });
    expect(faultsOf({ ...good, MUSTER_DEMO_KEY_FILE: '/x' })).toEqual({
      MUSTER_DEMO_KEY_FILE: 'names /x, which cannot be read (ENOENT)',
    });
    expect(faultsOf({ ...good, MUSTER_DEMO_KEY_FILE: '/x' }, () => '\n')).toEqual({
      MUSTER_DEMO_KEY_FILE: 'names an empty file, /x',
    });
  });

  test('the fault of a secret does not quote it', () => {
    expect(faultsOf({ ...good, MUSTER_DEMO_KEY: 'abc' })).toEqual({ MUSTER_DEMO_KEY: 'is too short' });
  });

  test('a parsed secret gives what its parser made of the text, and is printed as [secret]', () => {
    const parse = (text: string): { ok: true; list: unknown } | { ok: false; fault: string } =>
      text.startsWith('[') ? { ok: true, list: JSON.parse(text) } : { ok: false, fault: 'is no list' };
    const definition = defineConfig({ prefix: 'X_', fields: { keys: field.parsedSecret('X_KEYS', parse) } });
    const result = loadConfig(definition, { X_KEYS: '["k1"]' });
    if (!result.ok) throw result.error;
    expect(result.config.keys.reveal().list).toEqual(['k1']);
    expect(inspect(result.config)).not.toContain('k1');
    const faulty = loadConfig(definition, { X_KEYS: 'k2' });
    expect(!faulty.ok && faulty.error.faults).toMatchObject([{ name: 'X_KEYS', fault: 'is no list' }]);
  });

  test('a configuration made printable has neither secrets nor the passwords of URLs', () => {
    const config = {
      key: new Secret('x'),
      nats: 'nats://u:p@h:1',
      nodes: ['redis://:pw@a:1', 'redis://b:2'],
      list: 'redis://u:p@w@c:1,redis://:pw@d:2,redis://e:3',
      port: 1,
    };
    expect(printableConfig(config)).toEqual({
      key: '[secret]',
      nats: 'nats://[secret]@h:1',
      nodes: ['redis://[secret]@a:1', 'redis://b:2'],
      list: 'redis://[secret]@c:1,redis://[secret]@d:2,redis://e:3',
      port: 1,
    });
  });
});
