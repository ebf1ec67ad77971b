import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findAction } from '@muster/actions';
import type { Endpoint } from '@muster/directory';
import { FakeClock, silentLogger } from '@muster/runtime';
import { PolicyFile } from './policy-file.js';
import { approvalFor, parsePolicy, type Policy } from './policy.js';

const endpoint = (env: string): Endpoint =>
  ({ agentId: 'a', facts: { host: 'h', os: 'linux' }, labels: { env } }) as unknown as Endpoint;
const policy = (approval: object[]): Policy => {
  const parsed = parsePolicy(JSON.stringify({ approval }));
  if (!parsed.ok) throw new Error(parsed.faults.join());
  return parsed.policy;
};
const asked = (name: string, targets: number, ...envs: string[]) => ({
  ...{ action: findAction(name)!, dryRun: false, targets },
  endpoints: envs.map(endpoint),
});

describe('a rule', () => {
  test.each([
    ['process.kill', 'process.kill', true],
    ['process.*', 'process.kill', true],
    ['proc*', 'process.kill', false],
    ['destructive', 'process.kill', true],
    ['destructive', 'dns.flush', false],
    ['*', 'dns.flush', true],
  ])('for %s, asked for %s: %s', (pattern, name, applies) => {
    expect(approvalFor(policy([{ actions: [pattern] }]), asked(name, 1)) !== undefined).toBe(applies);
  });

  test('applies when all that it names holds', () => {
    const all = policy([{ actions: ['dns.*'], minTargets: 2, selector: 'env=prod', role: 'admin' }]);
    expect(approvalFor(all, asked('dns.flush', 1, 'prod'))).toBeUndefined();
    expect(approvalFor(all, asked('dns.flush', 2, 'dev', 'dev'))).toBeUndefined();
    expect(approvalFor(all, asked('arp.flush', 2, 'prod', 'dev'))).toBeUndefined();
    expect(approvalFor(all, { ...asked('dns.flush', 2, 'prod', 'dev'), dryRun: true })).toBeUndefined();
    expect(approvalFor(all, asked('dns.flush', 2, 'dev', 'prod'))).toEqual({
      role: 'admin',
      why: 'dns.* on 2 or more targets where env=prod',
    });
  });

  test('with others asks for the highest of their roles, and all reasons are told', () => {
    const both = policy([{ actions: ['dns.*'], role: 'admin' }, { minTargets: 1 }]);
    expect(approvalFor(both, asked('dns.flush', 1))).toEqual({
      role: 'admin',
      why: 'dns.*; every action on 1 or more targets',
    });
  });
});

test('a policy says everything that is wrong with it', () => {
  const text = JSON.stringify({
    limits: { king: { maxTargets: 1 } },
    approval: [{ selector: 'env=(' }, { minTargets: 0 }],
    x: 1,
  });
  const parsed = parsePolicy(text);
  expect(parsed.ok).toBe(false);
  const faults = parsed.ok ? '' : parsed.faults.join('\n');
  for (const part of ['king', 'approval.0.selector', 'approval.1.minTargets', '"x"']) expect(faults).toContain(part);
  expect(parsePolicy('{')).toMatchObject({ ok: false, faults: [expect.stringMatching(/^not JSON/)] });
});

describe('a policy file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-policy-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('that is wrong keeps the service from starting; one that becomes wrong changes nothing', async () => {
    const path = join(folder, 'policy.json');
    const clock = new FakeClock();
    let modifiedS = 1;
    const write = async (text: string): Promise<void> => {
      await writeFile(path, text);
      await utimes(path, modifiedS, (modifiedS += 1));
    };
    const look = async (file: PolicyFile, until: () => boolean): Promise<void> => {
      while (!until()) {
        await clock.advanceAsync(5_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(file).toBeDefined();
    };
    let complaints = 0;
    const logger = { ...silentLogger, error: () => (complaints += 1), info: () => undefined };
    await write('{"limits":{"king":1}}');
    const file = new PolicyFile({ path, clock, logger });
    await expect(file.start()).rejects.toThrow(/king/);
    await write('{"limits":{"admin":{"maxTargets":5}}}');
    await file.start();
    expect(file.policy.limits.admin?.maxTargets).toBe(5);
    await write('{"limits":{"admin":{"maxTargets":6}}}');
    await look(file, () => file.policy.limits.admin?.maxTargets === 6);
    await write('nonsense');
    await look(file, () => complaints > 0);
    expect(file.policy.limits.admin?.maxTargets).toBe(6);
    file.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
