import { describe, expect, it } from '@jest/globals';
import { generateSigningJwks } from '@muster/identity';
import type { GatewayId } from '@muster/protocol';
import { SessionNames } from './session-names.js';

const GATEWAY = 'gw-abc234' as GatewayId;

describe('names of poll sessions', () => {
  it('name the gateway that holds the session, to every gateway with the same keys', async () => {
    const jwks = await generateSigningJwks();
    const name = new SessionNames(jwks).make(GATEWAY);
    expect(new SessionNames(jwks).gatewayOf(name)).toBe(GATEWAY);
    expect(new SessionNames(jwks).make(GATEWAY)).not.toBe(name);
  });

  it('are valid as long as the key that made them is configured', async () => {
    const [older, newer] = [await generateSigningJwks(), await generateSigningJwks()];
    const name = new SessionNames(older).make(GATEWAY);
    const both = { ...newer, keys: [...newer.keys, ...older.keys] };
    expect(new SessionNames(both).gatewayOf(name)).toBe(GATEWAY);
    expect(new SessionNames(newer).gatewayOf(name)).toBeUndefined();
  });

  it('cannot be invented or changed', async () => {
    const names = new SessionNames(await generateSigningJwks());
    const name = names.make(GATEWAY);
    const [gateway = '', random = '', mac = ''] = name.split('.');
    const forged = [
      '',
      gateway,
      `${gateway}.${random}`,
      `${gateway}.${random}.${'A'.repeat(mac.length)}`,
      `gw-abc235.${random}.${mac}`,
      `${gateway}.${random.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}.${mac}`,
      `${name}A`,
      ` ${name}`,
    ];
    expect(forged.map((one) => names.gatewayOf(one))).toEqual(forged.map(() => undefined));
  });
});
