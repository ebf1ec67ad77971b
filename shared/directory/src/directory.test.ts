import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { parseSelector, selectorMatches, type AgentId, type Facts, type OrgId } from '@muster/protocol';
import { STREAMS, type ModeOverrideRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { DirectoryWriter } from './directory-writer.js';
import { Directory, type EndpointChange } from './directory.js';
import { endpointLabel, activeModeOverride, type Endpoint } from './endpoint.js';

const ORG = 'acme' as OrgId;
const ID = 'a'.repeat(24) as AgentId;
const OTHER = 'b'.repeat(24) as AgentId;
const FACTS: Facts = {
  host: 'web-1',
  os: 'linux',
  arch: 'x64',
  osName: 'Debian',
  osVersion: '12',
  agentVersion: '1.0.0',
};

const enrolment = (agentId: AgentId, org = ORG) => ({
  agentId,
  org,
  publicKey: 'key',
  enrolledAtMs: 1_000,
  from: '192.0.2.1',
  facts: FACTS,
  labels: { env: 'prod', team: 'web' },
});

describe('Directory', () => {
  let connection: MemoryConnection;
  let writer: DirectoryWriter;
  let directory: Directory;

  beforeEach(async () => {
    connection = new MemoryBroker().connect();
    await connection.streams.ensure(Object.values(STREAMS));
    writer = new DirectoryWriter({ streams: connection.streams });
    directory = new Directory({ streams: connection.streams, logger: silentLogger });
  });
  afterEach(async () => {
    await directory.stop();
    await connection.stop();
  });

  /** Resolves with the endpoint after the next change of this kind. */
  const next = (kind: EndpointChange): Promise<Endpoint> =>
    new Promise((resolve) => {
      const stop = directory.onChange((endpoint, change) => {
        if (change !== kind) return;
        stop();
        resolve(endpoint);
      });
    });

  it('knows the highest number that an endpoint can have, and that of later ones', async () => {
    const { streams } = connection;
    expect(directory.highestNum).toBe(0);
    await writer.enroll(enrolment(ID));
    await directory.start();
    expect(directory.highestNum).toBeGreaterThanOrEqual(directory.byId(ORG, ID)?.num ?? Number.POSITIVE_INFINITY);
    const enrolled = next('enrolled');
    await writer.enroll(enrolment(OTHER));
    const { num } = await enrolled;
    expect(directory.highestNum).toBe(num);
    expect(await streams.newestSeq(STREAMS.identities.name)).toBe(num);
  });

  it('numbers a key pair once: enrolling again returns the same number', async () => {
    const first = await writer.enroll(enrolment(ID));
    const other = await writer.enroll(enrolment(OTHER));
    const again = await writer.enroll({ ...enrolment(ID), facts: { ...FACTS, host: 'renamed' } });
    expect([first.kind, other.kind, again.kind]).toEqual(['enrolled', 'enrolled', 'known']);
    expect(again).toEqual({ kind: 'known', num: first.kind === 'enrolled' ? first.num : undefined });
    await directory.start();
    expect(directory.byId(ORG, ID)?.facts.host).toBe('web-1');
  });

  it('two concurrent enrolments of one key get one number', async () => {
    const results = await Promise.all([writer.enroll(enrolment(ID)), writer.enroll(enrolment(ID))]);
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(['enrolled', 'known']);
    expect(new Set(results.map((result) => (result.kind === 'unavailable' ? 0 : result.num))).size).toBe(1);
  });

  it('has all stored endpoints after the start, by number and by id, separated by org', async () => {
    const enrolled = await writer.enroll(enrolment(ID));
    await writer.enroll(enrolment(OTHER, 'globex' as OrgId));
    await directory.start();
    const num = enrolled.kind === 'unavailable' ? 0 : enrolled.num;
    expect(directory.byNum(num)).toMatchObject({ agentId: ID, org: ORG, num, labels: { env: 'prod', team: 'web' } });
    expect(directory.byId(ORG, OTHER)).toBeUndefined();
    expect(Array.from(directory.endpoints(ORG), ({ agentId }) => agentId)).toEqual([ID]);
    expect(directory.size).toBe(2);
  });

  it('follows changes as they are written: facts, labels, revocation, duplicates, modes', async () => {
    await directory.start();
    const seen: EndpointChange[] = [];
    directory.onChange((_endpoint, change) => seen.push(change));
    await writer.enroll(enrolment(ID));
    await writer.recordFacts(ORG, ID, {
      facts: { ...FACTS, osVersion: '13' },
      labels: { env: 'test' },
      seenAtMs: 2_000,
    });
    await writer.setLabels(ORG, ID, { labels: { wave: 'one', env: 'lab' }, by: 'op', atMs: 3_000 });
    await writer.recordDuplicate(ORG, ID, {
      atMs: 4_000,
      holderInstance: '01',
      refusedInstance: '02',
      refusedHost: 'clone',
      refusedAddress: '192.0.2.9',
    });
    const override: ModeOverrideRecord = { mode: 'poll', intervalMs: 9_000, reason: 'night', by: 'op', atMs: 4_500 };
    await writer.overrideMode(ORG, ID, override);
    await writer.recordFallback(ORG, ID, { mode: 'poll', forMs: 40_000, failures: 3, why: 'no upgrade', atMs: 4_600 });
    const revoked = next('revoked');
    await writer.revoke(ORG, ID, { by: 'op', reason: 'stolen', atMs: 5_000 });
    const endpoint = await revoked;
    expect(seen).toEqual(['enrolled', 'facts', 'labels', 'duplicate', 'mode', 'fallback', 'revoked']);
    expect(endpoint).toMatchObject({
      seenAtMs: 2_000,
      facts: { osVersion: '13' },
      agentLabels: { env: 'test' },
      operatorLabels: { wave: 'one', env: 'lab' },
      labels: { env: 'lab', wave: 'one' },
      duplicate: { refusedHost: 'clone' },
      modeOverride: override,
      fallback: { mode: 'poll', failures: 3, why: 'no upgrade' },
      revoked: { reason: 'stolen' },
    });
  });

  it('applies records that arrive before the enrolment record', async () => {
    await writer.setLabels(ORG, ID, { labels: { wave: 'two' }, by: 'op', atMs: 1 });
    await writer.revoke(ORG, ID, { by: 'op', reason: 'early', atMs: 2 });
    await writer.enroll(enrolment(ID));
    await directory.start();
    expect(directory.byId(ORG, ID)).toMatchObject({ operatorLabels: { wave: 'two' }, revoked: { reason: 'early' } });
  });

  it('skips a record that cannot be read', async () => {
    await directory.start();
    await writer.enroll(enrolment(ID));
    await connection.streams.append(`muster.v1.identity.${ORG}.facts.${ID}`, Uint8Array.of(0xff));
    const changed = next('labels');
    await writer.setLabels(ORG, ID, { labels: { a: 'b' }, by: 'op', atMs: 1 });
    expect((await changed).operatorLabels).toEqual({ a: 'b' });
  });

  it('returns unavailable while the broker is away, and stores nothing', async () => {
    connection.bus.setConnected(false);
    expect(await writer.enroll(enrolment(ID))).toMatchObject({ kind: 'unavailable' });
    expect(await writer.setLabels(ORG, ID, { labels: {}, by: 'op', atMs: 1 })).toMatchObject({ kind: 'unavailable' });
  });
});

describe('endpointLabel', () => {
  const endpoint = { agentId: ID, facts: FACTS, labels: { env: 'prod', toString: 'x' } };
  const matches = (text: string, mode?: 'live' | 'poll'): boolean => {
    const parsed = parseSelector(text);
    if (!parsed.ok) throw new Error(parsed.message);
    return selectorMatches(parsed.selector, endpointLabel(endpoint, mode));
  };

  it('answers built-in labels from the facts, and others from the labels', () => {
    expect(matches(`id=${ID},host=web-1,os=linux,arch=x64,version=1.0.0,env=prod`)).toBe(true);
    expect([matches('mode=live', 'live'), matches('mode=live'), matches('!mode')]).toEqual([true, false, true]);
  });

  it('takes nothing from the prototype of an object', () => {
    expect([matches('constructor'), matches('hasOwnProperty'), matches('toString=x')]).toEqual([false, false, true]);
  });
});

describe('activeModeOverride', () => {
  const override: ModeOverrideRecord = { mode: 'live', untilMs: 2_000, reason: '', by: 'op', atMs: 1_000 };

  it('is the override until it expires', () => {
    expect(activeModeOverride(override, 1_999)).toEqual(override);
    expect(activeModeOverride(override, 2_000)).toBeUndefined();
    const { untilMs: _, ...forever } = override;
    expect(activeModeOverride(forever, 1e15)).toEqual(forever);
  });

  it('is undefined after it was withdrawn', () => {
    expect(activeModeOverride({ ...override, mode: 'default' }, 1_000)).toBeUndefined();
    expect(activeModeOverride(undefined, 1_000)).toBeUndefined();
  });
});
