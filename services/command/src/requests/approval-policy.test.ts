import { describe, expect, test } from '@jest/globals';
import { findAction } from '@muster/actions';
import type { Endpoint } from '@muster/directory';
import { approvalFor, OPEN_POLICY, parsePolicy, policyInForce, type Policy } from './approval-policy.js';

const endpoint = (env: string): Endpoint =>
  ({ agentId: 'a', facts: { host: 'h', os: 'linux' }, labels: { env } }) as unknown as Endpoint;
const policy = (approval: object[]): Policy => {
  const parsed = parsePolicy(JSON.stringify({ approval }));
  if (!parsed.ok) throw new Error(parsed.faults.join());
  return parsed.value;
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

  test('applies when all its conditions hold', () => {
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

  test('with others requires the highest of their roles, and all reasons are given', () => {
    const both = policy([{ actions: ['dns.*'], role: 'admin' }, { minTargets: 1 }]);
    expect(approvalFor(both, asked('dns.flush', 1))).toEqual({
      role: 'admin',
      why: 'dns.*; every action on 1 or more targets',
    });
  });
});

test('all faults of a policy are returned', () => {
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

test('the policy is shown as the file has it', () => {
  const document = {
    limits: { responder: { maxTargets: 5 } },
    approval: [
      {
        actions: ['destructive'],
        minTargets: 2,
        selector: 'env=prod',
        role: 'admin' as const,
        independent: true as const,
      },
    ],
    packs: { approval: true },
  };
  const parsed = parsePolicy(JSON.stringify(document));
  expect(parsed.ok && policyInForce(parsed.value)).toEqual({
    limits: [{ role: 'responder', maxTargets: 5 }],
    approval: document.approval,
    packs: {},
  });
  expect(policyInForce(OPEN_POLICY)).toEqual({ limits: [], approval: [] });
});
