import { createHash } from 'node:crypto';
import { base32, isAgentId } from '@muster/protocol';
import { describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey, exportAgentKeys, generateAgentKeys, importAgentKeys } from './agent-keys.js';
import { decodeBase64Url } from './ed25519.js';

// The public key of RFC 8032 §7.1, test 1; its id was computed with Python's hashlib and base64.
const RFC_KEY = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');
const RFC_ID = 'eh7ddx5bksrgcytl7bkai36s';

describe('agent keys', () => {
  test('an agent’s id follows from its public key alone, however the key is given', () => {
    const x = RFC_KEY.toString('base64url');
    expect(agentIdFromPublicKey(RFC_KEY)).toBe(RFC_ID);
    expect(agentIdFromPublicKey(x)).toBe(RFC_ID);
    expect(agentIdFromPublicKey({ kty: 'OKP', crv: 'Ed25519', x })).toBe(RFC_ID);
  });

  test('an id is base32 of the first 15 bytes of the key’s SHA-256, 24 characters', () => {
    const { agentId, publicKeyX } = generateAgentKeys();
    const digest = createHash('sha256').update(Buffer.from(publicKeyX, 'base64url')).digest();
    expect(agentId).toBe(base32(digest.subarray(0, 15)));
    expect(isAgentId(agentId)).toBe(true);
  });

  test('two key pairs are two agents', () => {
    expect(generateAgentKeys().agentId).not.toBe(generateAgentKeys().agentId);
  });

  test('an identity survives being written and read', () => {
    const keys = generateAgentKeys();
    const again = importAgentKeys(JSON.parse(JSON.stringify(exportAgentKeys(keys))));
    expect(again).toMatchObject({ agentId: keys.agentId, publicKeyX: keys.publicKeyX });
    expect(again && exportAgentKeys(again)).toEqual(exportAgentKeys(keys));
  });

  test('a key file that is damaged, or put together from two, is not an identity', () => {
    const jwk = exportAgentKeys(generateAgentKeys());
    const other = exportAgentKeys(generateAgentKeys());
    const damaged = [
      null,
      'text',
      [],
      {},
      { ...jwk, d: undefined },
      { ...jwk, d: 'AAAA' },
      { ...jwk, x: other.x },
      { ...jwk, crv: 'X25519' },
    ];
    expect(damaged.map((value) => importAgentKeys(value))).toEqual(damaged.map(() => undefined));
  });

  test.each(['', 'AAAA', `${RFC_KEY.toString('base64url')}=`, RFC_KEY.toString('hex')])('%j is no public key', (x) => {
    expect(() => agentIdFromPublicKey(x)).toThrow(TypeError);
  });

  test('base64url is taken in its one canonical spelling only', () => {
    const text = Buffer.alloc(32, 0xff).toString('base64url');
    expect(decodeBase64Url(text)).toEqual(Buffer.alloc(32, 0xff));
    // Other spellings that Buffer.from takes for the same 32 bytes.
    for (const other of [`${text}=`, text.replaceAll('_', '/'), `${text.slice(0, -1)}9`, ` ${text}`, `${text}\n`]) {
      expect(Buffer.from(other, 'base64url')).toEqual(Buffer.alloc(32, 0xff));
      expect(decodeBase64Url(other)).toBeUndefined();
    }
  });
});
