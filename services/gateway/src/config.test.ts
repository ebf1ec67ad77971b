import { describe, expect, it } from '@jest/globals';
import { generateSigningJwks } from '@muster/identity';
import { loadGatewayConfig } from './config.js';

const REQUIRED = {
  MUSTER_NATS_URL: 'nats://127.0.0.1:4222',
  MUSTER_REDIS_URL: 'redis://127.0.0.1:6379',
  MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(await generateSigningJwks()),
  MUSTER_ENROLL_SECRETS: 'acme=a-secret-for-enrolment',
};

function faultsOf(env: Readonly<Record<string, string>>): string[] {
  const loaded = loadGatewayConfig({ ...REQUIRED, ...env });
  return loaded.ok ? [] : loaded.error.faults.map(({ name, fault, example }) => `${name} ${fault}: ${example}`);
}

describe('the time for a drain', () => {
  it('fits into the stop by default, and minutes fit into a longer one', () => {
    expect(faultsOf({})).toEqual([]);
    expect(
      faultsOf({ MUSTER_STOP_TIMEOUT: '4m', MUSTER_GATEWAY_DRAIN_SPREAD: '3m', MUSTER_GATEWAY_DRAIN_GRACE: '30s' }),
    ).toEqual([]);
  });

  it('is a fault when the stop would not wait for it, which says what is needed', () => {
    const faults = faultsOf({ MUSTER_GATEWAY_DRAIN_SPREAD: '3m', MUSTER_UNREADY_WAIT: '5s' });
    expect(faults).toEqual([
      'MUSTER_STOP_TIMEOUT leaves 15 s for a drain, and MUSTER_UNREADY_WAIT, MUSTER_GATEWAY_DRAIN_SPREAD and MUSTER_GATEWAY_DRAIN_GRACE are 190 s together: 205s',
    ]);
    expect(
      faultsOf({ MUSTER_GATEWAY_DRAIN_SPREAD: '3m', MUSTER_UNREADY_WAIT: '5s', MUSTER_STOP_TIMEOUT: '205s' }),
    ).toEqual([]);
  });
});
