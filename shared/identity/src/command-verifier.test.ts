import { createHash } from 'node:crypto';
import { COMMAND_KEYS_TYPE, COMMAND_TYPE, LIMITS, type CommandClaims } from '@muster/protocol';
import { compactVerify, CompactSign, importJWK } from 'jose';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { CommandSigner, generateCommandRoot, signCommandKeys } from './command-signer.js';
import { readCommandKeys } from './command-keys.js';
import { CommandVerifier } from './command-verifier.js';
import { generateSigningJwks, parsePublicJwks, publicJwks, type PrivateJwks } from './signing-jwks.js';

const NOW = 1_700_000_000_000;
const IAT = NOW / 1_000;
const TREE = createHash('sha256').update('targets').digest();
const CLAIMS: CommandClaims = {
  iss: 'muster',
  org: 'acme',
  jti: 'c1',
  action: 'process.kill',
  params: { name: 'abc.exe', force: true },
  targets: 40,
  root: TREE.toString('base64url'),
  iat: IAT,
  exp: IAT + 86_400,
  timeoutMs: 60_000,
  dryRun: false,
  operator: { id: 'o1', name: 'Ann' },
};

let root: PrivateJwks;
let keys: PrivateJwks;
let next: PrivateJwks;
beforeAll(async () => {
  [root, keys, next] = await Promise.all([generateCommandRoot(), generateSigningJwks(), generateSigningJwks()]);
});

interface List {
  version?: number;
  of?: readonly PrivateJwks[];
  retired?: readonly PrivateJwks[];
  exp?: number;
  by?: PrivateJwks;
}
const kidOf = (jwks: PrivateJwks): string => jwks.keys[0]?.kid ?? '';
const listOf = ({ version = 1, of = [keys], retired = [], exp, by = root }: List = {}): string =>
  signCommandKeys(by, {
    version,
    iat: IAT,
    keys: of.flatMap((jwks) => publicJwks(jwks).keys.map(({ kid, x }) => ({ kid, x, ...(exp ? { exp } : {}) }))),
    retired: retired.map(kidOf),
  });
const verifierOf = (options: { list?: string; knownVersion?: number; now?: () => number } = {}): CommandVerifier => {
  const { list = listOf(), ...rest } = options;
  const verifier = new CommandVerifier({ roots: publicJwks(root).keys, now: () => NOW, ...rest });
  verifier.acceptKeys(list);
  return verifier;
};
const reasonOf = (jws: string, verifier = verifierOf()): string => {
  const result = verifier.verify(jws);
  return result.ok ? 'ok' : result.reason;
};
const sign = (claims: CommandClaims = CLAIMS, by: PrivateJwks = keys): string => new CommandSigner(by).sign(claims);

/** A JWS with a right signature and whatever header and payload a test wants, made by another implementation. */
async function forge(header: Record<string, unknown>, payload: unknown, signer: PrivateJwks = keys): Promise<string> {
  const [key] = signer.keys;
  if (key === undefined) throw new Error('no key');
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', typ: COMMAND_TYPE, kid: key.kid, ...header })
    .sign(await importJWK({ ...key }, 'EdDSA'));
}

describe('a signed command', () => {
  test('says to the agent what the service meant, and names the root of its targets', () => {
    expect(verifierOf().verify(sign())).toMatchObject({ ok: true, claims: CLAIMS, root: TREE });
  });

  test('is a JWS that any other implementation verifies, and theirs are understood here', async () => {
    const [key] = publicJwks(keys).keys;
    const { payload, protectedHeader } = await compactVerify(sign(), await importJWK({ ...key }, 'EdDSA'));
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(CLAIMS);
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: kidOf(keys), typ: COMMAND_TYPE });
    expect(verifierOf().verify(await forge({}, CLAIMS))).toMatchObject({ ok: true, claims: CLAIMS });
  });

  test('every changed character of it is noticed', () => {
    const verifier = verifierOf();
    const jws = sign();
    expect(reasonOf(jws, verifier)).toBe('ok');
    for (let at = 0; at < jws.length; at += 1) {
      const changed = `${jws.slice(0, at)}${jws[at] === 'A' ? 'B' : 'A'}${jws.slice(at + 1)}`;
      expect(reasonOf(changed, verifier)).not.toBe('ok');
    }
  });

  test('a changed parameter under the old signature is a bad signature', () => {
    const [header, , signature] = sign().split('.');
    const payload = Buffer.from(JSON.stringify({ ...CLAIMS, params: { name: 'init' } })).toString('base64url');
    expect(reasonOf(`${header}.${payload}.${signature}`)).toBe('bad_signature');
  });

  test('signed by a key that no root has listed it is refused, also under the name of one that is', async () => {
    expect(reasonOf(sign(CLAIMS, next))).toBe('unknown_key');
    expect(reasonOf(await forge({ kid: kidOf(keys) }, CLAIMS, next))).toBe('bad_signature');
  });

  test('a root signs key lists, not commands', () => {
    expect(reasonOf(sign(CLAIMS, root))).toBe('unknown_key');
  });

  test('only EdDSA is accepted: not none, not HMAC with the public key', async () => {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = encode({ alg: 'none', typ: COMMAND_TYPE, kid: kidOf(keys) });
    expect(reasonOf(`${none}.${encode(CLAIMS)}.`)).toBe('malformed');
    expect(reasonOf(`${none}.${encode(CLAIMS)}.${'A'.repeat(86)}`)).toBe('wrong_algorithm');
    const hmac = await new CompactSign(Buffer.from(JSON.stringify(CLAIMS)))
      .setProtectedHeader({ alg: 'HS512', typ: COMMAND_TYPE, kid: kidOf(keys) })
      .sign(Buffer.from(publicJwks(keys).keys[0]?.x ?? '', 'base64url'));
    expect(reasonOf(hmac)).toBe('wrong_algorithm');
  });

  test.each([
    ['a JWT', 'JWT'],
    ['an agent token', 'muster-agent+jwt'],
    ['a key list', COMMAND_KEYS_TYPE],
    ['nothing at all', undefined],
  ])('made as %s it is refused by its type', async (_name, typ) => {
    expect(reasonOf(await forge({ typ }, CLAIMS))).toBe('wrong_type');
  });

  test('a header that would change what the signature means is refused', async () => {
    for (const header of [{ jwk: { kty: 'OKP' } }, { jku: 'https://evil' }, { b64: true, crit: ['b64'] }, { x: 1 }]) {
      expect(reasonOf(await forge(header, CLAIMS))).toBe('malformed');
    }
  });

  test.each([
    ['another issuer', { iss: 'else' }],
    ['no target', { targets: 0 }],
    ['no root', { root: undefined }],
    ['a root of 31 bytes', { root: Buffer.alloc(31).toString('base64url') }],
    ['a root in another spelling', { root: `${'_'.repeat(42)}9` }],
    ['no expiry', { exp: undefined }],
    ['a nested parameter', { params: { a: { b: { c: 1 } } } }],
    ['no operator', { operator: undefined }],
  ])('with %s it is malformed, whoever signed it', async (_name, change) => {
    expect(reasonOf(await forge({}, { ...CLAIMS, ...change }))).toBe('malformed');
  });

  test('garbage is malformed, at once and without a throw', () => {
    const jws = sign();
    const long = `${'A'.repeat(1_000_000)}.${'A'.repeat(1_000_000)}.A`;
    for (const text of ['', '..', 'a.b', 'a.b.c', `${jws}.x`, ` ${jws}`, `${jws}\n`, `${jws}=`, long, '\0.\0.\0']) {
      expect(reasonOf(text)).toBe('malformed');
    }
  });

  test('what agents would not read is not signed', () => {
    const long = { ...CLAIMS, reason: 'x'.repeat(LIMITS.jwsBytes) };
    expect(() => sign(long)).toThrow(/agents read 32768/);
  });

  test('nothing is believed before a key list is', () => {
    const verifier = new CommandVerifier({ roots: publicJwks(root).keys });
    expect(reasonOf(sign(), verifier)).toBe('unknown_key');
  });
});

describe('a signed pack', () => {
  const pack = { iss: 'muster' as const, org: 'acme', pack: 'own', version: '1.0.0', hash: 'a'.repeat(64), checks: 1 };
  const claims = { ...pack, iat: IAT, operator: { id: 'o1', name: 'Ann' } };

  test('is believed with one name and with two', () => {
    const signer = new CommandSigner(keys);
    for (const made of [claims, { ...claims, approver: { id: 'o2', name: 'Bob' } }])
      expect(verifierOf({ list: listOf() }).verifyPack(signer.signPack(made))).toEqual({ ok: true, claims: made });
  });

  test('is nothing that waits for a second person, and no command is one', () => {
    const signer = new CommandSigner(keys);
    const verifier = verifierOf({ list: listOf() });
    const proposal = signer.signProposal({ ...claims, digest: 'd'.repeat(64), independent: false });
    for (const jws of [proposal, signer.sign(CLAIMS)])
      expect(verifier.verifyPack(jws)).toEqual({ ok: false, reason: 'wrong_type' });
    expect(signer.openProposal(proposal)).toMatchObject({ digest: 'd'.repeat(64), operator: { name: 'Ann' } });
    for (const jws of [
      signer.signPack(claims),
      new CommandSigner(next).signProposal({ ...claims, digest: 'd'.repeat(64), independent: false }),
    ])
      expect(signer.openProposal(jws)).toBeUndefined();
  });
});

describe('the list of command keys', () => {
  test('is taken from a pinned root only', async () => {
    const other = await generateCommandRoot();
    const verifier = verifierOf();
    expect(verifier.acceptKeys(listOf({ version: 2, by: other }))).toEqual({ ok: false, reason: 'unknown_key' });
    const kid = kidOf(root);
    const posing = await forge({ typ: COMMAND_KEYS_TYPE, kid }, { iss: 'muster' }, other);
    expect(verifier.acceptKeys(posing)).toEqual({ ok: false, reason: 'bad_signature' });
    // A signing key cannot add keys.
    expect(verifier.acceptKeys(listOf({ version: 2, by: keys })).ok).toBe(false);
    expect(reasonOf(sign(), verifier)).toBe('ok');
  });

  test('any of several roots may have signed it, and the same list by another root is the same list', async () => {
    const other = await generateCommandRoot();
    const verifier = new CommandVerifier({ roots: [...publicJwks(root).keys, ...publicJwks(other).keys] });
    expect(verifier.acceptKeys(listOf())).toEqual({ ok: true, version: 1, isNew: true });
    expect(verifier.acceptKeys(listOf({ by: other }))).toEqual({ ok: true, version: 1, isNew: false });
  });

  test('rotation with overlap: both keys are believed, until a newer list retires the old one', () => {
    const verifier = verifierOf();
    const [old, fresh] = [sign(), sign(CLAIMS, next)];
    expect([old, fresh].map((jws) => reasonOf(jws, verifier))).toEqual(['ok', 'unknown_key']);
    expect(verifier.acceptKeys(listOf({ version: 2, of: [keys, next] }))).toMatchObject({ ok: true, isNew: true });
    expect([old, fresh].map((jws) => reasonOf(jws, verifier))).toEqual(['ok', 'ok']);
    expect(verifier.acceptKeys(listOf({ version: 3, of: [next], retired: [keys] }))).toMatchObject({ version: 3 });
    expect([old, fresh].map((jws) => reasonOf(jws, verifier))).toEqual(['retired_key', 'ok']);
  });

  test('an older list does not bring a retired key back, not even after a restart', () => {
    const newest = listOf({ version: 3, of: [next], retired: [keys] });
    const verifier = verifierOf({ list: newest });
    expect(verifier.acceptKeys(listOf({ version: 2 }))).toEqual({ ok: false, reason: 'older_version' });
    expect(reasonOf(sign(), verifier)).toBe('retired_key');
    const restarted = verifierOf({ knownVersion: 3, list: listOf({ version: 2 }) });
    expect(reasonOf(sign(), restarted)).toBe('unknown_key');
    expect(restarted.acceptKeys(newest)).toEqual({ ok: true, version: 3, isNew: false });
    expect(reasonOf(sign(CLAIMS, next), restarted)).toBe('ok');
  });

  test('a second list of the same version is refused: agents would differ in what they believe', () => {
    const verifier = verifierOf();
    expect(verifier.acceptKeys(listOf({ of: [keys, next] }))).toEqual({ ok: false, reason: 'same_version' });
    expect(reasonOf(sign(CLAIMS, next), verifier)).toBe('unknown_key');
  });

  test('a key whose time is over is retired, and what was verified before is asked again', () => {
    let nowMs = NOW;
    const verifier = verifierOf({ list: listOf({ exp: IAT + 60 }), now: () => nowMs });
    const jws = sign();
    expect(reasonOf(jws, verifier)).toBe('ok');
    nowMs += 59_999;
    expect(reasonOf(jws, verifier)).toBe('ok');
    nowMs += 1;
    expect(reasonOf(jws, verifier)).toBe('retired_key');
    expect(reasonOf(sign({ ...CLAIMS, jti: 'c2' }), verifier)).toBe('retired_key');
  });

  test('a key id that stands for another key in a newer list is another key', async () => {
    const verifier = verifierOf();
    const jws = sign();
    expect(reasonOf(jws, verifier)).toBe('ok');
    const [swapped] = publicJwks(next).keys;
    const keysOfNext = [{ kid: kidOf(keys), x: swapped?.x ?? '' }];
    verifier.acceptKeys(signCommandKeys(root, { version: 2, iat: IAT, keys: keysOfNext, retired: [] }));
    expect(reasonOf(jws, verifier)).toBe('bad_signature');
  });

  test('what makes no sense is neither signed nor read', async () => {
    const [key] = publicJwks(keys).keys.map(({ kid, x }) => ({ kid, x }));
    if (key === undefined) throw new Error('no key');
    const senseless = [
      { version: 1, keys: [], retired: [] },
      { version: 1, keys: [key, key], retired: [] },
      { version: 1, keys: [key], retired: [key.kid] },
      { version: 1, keys: [{ kid: 'a', x: 'A'.repeat(42) }], retired: [] },
      { version: 1, keys: [{ kid: 'a', x: `${'_'.repeat(42)}9` }], retired: [] },
      { version: 0, keys: [key], retired: [] },
      { version: 1.5, keys: [key], retired: [] },
    ];
    for (const claims of senseless) {
      expect(() => signCommandKeys(root, { iat: IAT, ...claims })).toThrow(TypeError);
      const jws = await forge({ typ: COMMAND_KEYS_TYPE }, { iss: 'muster', iat: IAT, ...claims }, root);
      expect(readCommandKeys(jws, publicJwks(root).keys)).toEqual({ ok: false, reason: 'malformed' });
    }
  });
});

describe('the cache', () => {
  test('a command that many agents of a process get is verified once', () => {
    const verifier = verifierOf();
    const jws = sign();
    const first = verifier.verify(jws);
    expect(verifier.verify(jws)).toBe(first);
  });

  test('it is bounded in bytes, and the oldest goes first', () => {
    const verifier = verifierOf();
    const signer = new CommandSigner(keys);
    const big = (i: number): string => signer.sign({ ...CLAIMS, jti: `c${i}`, reason: 'x'.repeat(20_000) });
    const texts = Array.from({ length: 45 }, (_, i) => big(i));
    const results = texts.map((text) => verifier.verify(text));
    expect(verifier.verify(texts[44] ?? '')).toBe(results[44]);
    const again = verifier.verify(texts[0] ?? '');
    expect(again).toEqual(results[0]);
    expect(again).not.toBe(results[0]);
  });

  test('what was refused is not remembered: it may be signed by a key that comes with the next list', () => {
    const verifier = verifierOf();
    const jws = sign(CLAIMS, next);
    expect(reasonOf(jws, verifier)).toBe('unknown_key');
    verifier.acceptKeys(listOf({ version: 2, of: [keys, next] }));
    expect(reasonOf(jws, verifier)).toBe('ok');
  });
});

describe('a document of public keys', () => {
  test('is read as it was written', () => {
    expect(parsePublicJwks(JSON.stringify(publicJwks(root)))).toEqual({ ok: true, jwks: publicJwks(root) });
  });

  test('with a private part it is refused: whoever has it has the root', () => {
    const parsed = parsePublicJwks(JSON.stringify(root));
    expect(parsed).toEqual({ ok: false, fault: 'must not have private keys, only their public parts' });
  });

  test('anything else is refused with what is wrong', () => {
    const [key] = publicJwks(root).keys;
    for (const document of [
      '{',
      '[]',
      '{"keys":[]}',
      { keys: [key, key] },
      { keys: [{ ...key, x: 'AAAA' }] },
      { keys: [{ ...key, crv: 'X25519' }] },
      { keys: [{ ...key, kid: undefined }] },
      { keys: [null] },
    ]) {
      const text = typeof document === 'string' ? document : JSON.stringify(document);
      expect(parsePublicJwks(text).ok).toBe(false);
    }
  });
});
