import { beforeAll, expect, test } from '@jest/globals';
import { decodeCbor, encodeCbor } from '@muster/protocol';
import { RecordSigner, RecordVerifier } from './record-signature.js';
import { generateSigningJwks, publicJwks, type PrivateJwks } from './signing-jwks.js';

const SUBJECT = 'muster.v1.token.acme.t1';
const record = { tokenId: 't1', role: 'viewer', expiresAtMs: 1_790_000_000_000, note: new Uint8Array([1, 2]) };
const data = encodeCbor(record);
let keys: PrivateJwks;
let signer: RecordSigner;
let verifier: RecordVerifier;

beforeAll(async () => {
  keys = await generateSigningJwks();
  signer = new RecordSigner(keys);
  verifier = new RecordVerifier(publicJwks(keys).keys);
});

test('a signed record opens to what was signed; a version that knows no signatures reads it as well', () => {
  const signed = signer.sign(SUBJECT, data);
  expect(verifier.open(SUBJECT, signed)).toEqual({ ok: true, data });
  expect(decodeCbor(signed)).toMatchObject({ tokenId: 't1', role: 'viewer' });
  expect(signer.sign(SUBJECT, signed)).toEqual(signed);
});

test('anything else is not believed, and says why', async () => {
  const signed = decodeCbor(signer.sign(SUBJECT, data)) as { sig: { kid: string; value: Uint8Array } };
  const open = (value: unknown, subject = SUBJECT) => verifier.open(subject, encodeCbor(value));
  expect(verifier.open(SUBJECT, data)).toEqual({ ok: false, reason: 'unsigned', data });
  expect(open({ ...signed, role: 'admin' })).toMatchObject({ ok: false, reason: 'bad_signature' });
  expect(open({ ...signed, more: 1 })).toMatchObject({ ok: false, reason: 'bad_signature' });
  expect(open(signed, 'muster.v1.token.acme.t2')).toMatchObject({ ok: false, reason: 'bad_signature' });
  const other = new RecordSigner(await generateSigningJwks());
  expect(verifier.open(SUBJECT, other.sign(SUBJECT, data))).toMatchObject({ ok: false, reason: 'unknown_key' });
  const claimed = { ...signed, sig: { ...signed.sig, value: new Uint8Array(64) } };
  expect(open(claimed)).toMatchObject({ ok: false, reason: 'bad_signature' });
  for (const sig of [1, 'x', [], {}, { kid: signed.sig.kid }, { ...signed.sig, value: 'x' }])
    expect(open({ ...record, sig })).toMatchObject({ ok: false, reason: 'malformed' });
  for (const bytes of [new Uint8Array(), new Uint8Array([0xff]), encodeCbor([1]), encodeCbor(null)])
    expect(verifier.open(SUBJECT, bytes)).toMatchObject({ ok: false, reason: 'malformed' });
});

test('after a rotation records of the key before are valid for as long as it is in the list', async () => {
  const next = await generateSigningJwks();
  const signed = signer.sign(SUBJECT, data);
  const both = new RecordVerifier([...publicJwks(next).keys, ...publicJwks(keys).keys]);
  expect(both.open(SUBJECT, signed).ok).toBe(true);
  expect(new RecordVerifier(publicJwks(next).keys).open(SUBJECT, signed)).toMatchObject({ reason: 'unknown_key' });
});
