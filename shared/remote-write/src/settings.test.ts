import { expect, test } from '@jest/globals';
import { defineConfig, loadConfig } from '@muster/runtime/program';
import { remoteWriteFaults, remoteWriteFields, remoteWriteOptions } from './settings.js';

const PREFIX = 'MUSTER_TELEMETRY_REMOTE_WRITE_';
const definition = defineConfig({ prefix: PREFIX, fields: remoteWriteFields, check: remoteWriteFaults });
const load = (env: Record<string, string>) =>
  loadConfig(definition, Object.fromEntries(Object.entries(env).map(([name, value]) => [PREFIX + name, value])));
const optionsOf = (env: Record<string, string>) => {
  const result = load(env);
  if (!result.ok) throw result.error;
  return remoteWriteOptions(result.config);
};

test('remote write is off unless a store is configured', () => {
  expect(optionsOf({ USERNAME: 'u', PASSWORD: 'p' })).toBeUndefined();
});

test('settings become options', () => {
  const env = {
    URL: 'https://store.example/api/v1/write',
    LABELS: 'agent, host,env',
    LABELS_DENIED: 'host',
    LABELS_RENAMED: 'env=environment',
    EXTERNAL_LABELS: 'cluster=eu=1',
    HEADERS: 'X-Scope-OrgID=fleet',
    USERNAME: 'u',
    PASSWORD: 'p:q',
    SHARDS: '2',
    PROTOCOL: '2.0',
  };
  expect(optionsOf(env)).toMatchObject({
    protocol: '2.0',
    labels: {
      allow: ['agent', 'host', 'env'],
      deny: ['host'],
      rename: { env: 'environment' },
      external: { cluster: 'eu=1' },
    },
    headers: { 'X-Scope-OrgID': 'fleet' },
    ...{ shards: 2, batchSamples: 2_000, batchAgeMs: 5_000 },
  });
  expect(optionsOf(env)?.authorization?.()).toBe(`Basic ${Buffer.from('u:p:q').toString('base64')}`);
  expect(optionsOf({ URL: 'http://store', BEARER_TOKEN: 't' })?.authorization?.()).toBe('Bearer t');
});

test('without settings one process writes 15,000 endpoints, and holds four minutes of them while the store is away', () => {
  // What the machine of the tests has; once a minute.
  const [endpoints, series] = [15_000, 140];
  const options = optionsOf({ URL: 'http://store' });
  expect(options?.maxSeries).toBeGreaterThan(1.2 * endpoints * series);
  expect(options?.pendingSamples).toBeGreaterThan(4 * endpoints * series);
  // A host with 96 processors has five series of each, as details.
  expect(0.75 * (options?.maxSeriesPerEndpoint ?? 0)).toBeGreaterThan(96 * 5 + series);
});

test.each([
  [{ LABELS_RENAMED: 'host' }, 'LABELS_RENAMED has "host", which is not name=value'],
  [{ EXTERNAL_LABELS: '=x' }, 'EXTERNAL_LABELS has "=x", which is not name=value'],
  [{ LABELS: 'bad-name' }, 'bad-name, no label name'],
  [{ LABELS: 'org,host' }, 'LABELS must have agent or agent_id'],
  [{ LABELS: 'agent,host', LABELS_DENIED: 'agent' }, 'LABELS must have agent or agent_id'],
  [{ USERNAME: 'u' }, 'PASSWORD and'],
  [{ USERNAME: 'u', PASSWORD: 'p', BEARER_TOKEN: 't' }, 'keep one of them'],
  [{ CA: 'nothing' }, 'must be certificates in PEM'],
  [{ STALE_AFTER: '2h' }, 'STALE_AFTER must not be longer'],
  [{ URL: 'ftp://x' }, 'must be a URL that starts with'],
])('a fault is named: %j', (env, fault) => {
  const result = load(env as Record<string, string>);
  expect(result.ok ? '' : result.error.message).toContain(fault);
});
