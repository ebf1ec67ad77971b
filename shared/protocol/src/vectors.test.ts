import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type CommandBody, decodeBody, encodeBody } from './bodies.js';
import { encodeCbor } from './cbor.js';
import { COMMAND_KEYS_TYPE, COMMAND_TYPE, type CommandClaims, commandClaimsSchema } from './command-claims.js';
import { type TargetLeaf, TargetTree, verifyTarget } from './merkle.js';
import { decodeHeader, encodeFrame, FRAME, frameBody, HEADER_BYTES, SUBPROTOCOL, type FrameType } from './frames.js';
import { base32 } from './ids.js';
import { countRows, decodeRow, decodeRows, type SqlValue } from './rows.js';

type Kind = Parameters<typeof decodeBody>[0];

interface FrameVector {
  readonly name: string;
  readonly kind: Kind | 'rows';
  readonly type: FrameType;
  readonly flags: number;
  readonly ref: number;
  readonly body?: unknown;
  readonly columns?: number;
  readonly rows?: readonly (readonly unknown[])[];
  readonly hex: string;
}

interface KeyVector {
  readonly kid: string;
  readonly x: string;
  readonly privateKeySeedHex: string;
}

interface Vectors {
  readonly subprotocol: string;
  readonly identity: { readonly privateKeySeedHex: string; readonly publicKeyX: string; readonly agentId: string };
  readonly enrolmentProof: { org: string; timestampMs: number; message: string; proof: string };
  readonly helloProof: { nonceHex: string; token: string; tokenSha256: string; message: string; proofHex: string };
  readonly frames: readonly FrameVector[];
  readonly commands: {
    readonly root: KeyVector;
    readonly signer: KeyVector;
    readonly retired: KeyVector;
    readonly keyList: { readonly jws: string; readonly claims: unknown };
    readonly targetTree: {
      readonly leaves: readonly (TargetLeaf & { entryHex: string; hashHex: string; proofHex: string })[];
      readonly rootHex: string;
    };
    readonly claims: CommandClaims;
    readonly accepted: readonly { readonly name: string; readonly delivery: unknown }[];
    readonly refused: readonly { readonly name: string; readonly delivery: unknown; readonly report: unknown }[];
  };
  readonly values: readonly { readonly name: string; readonly value: unknown; readonly hex: string }[];
  readonly malformed: {
    readonly frames: readonly { readonly name: string; readonly hex: string }[];
    readonly bodies: readonly { readonly name: string; readonly kind: Kind; readonly hex: string }[];
    readonly rows: readonly { readonly name: string; readonly columns: number; readonly hex: string }[];
  };
}

const root = new URL('../', import.meta.url);
const vectors = JSON.parse(readFileSync(new URL('vectors/vectors.json', root), 'utf8')) as Vectors;
const documentation = readFileSync(new URL('../../docs/protocol.md', root), 'utf8');

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What the file writes as an object with one `$` member, as the value that it stands for. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const { $hex, $int, $float } = value as { $hex?: string; $int?: string; $float?: string };
  if ($hex !== undefined) return bytesOf($hex);
  if ($int !== undefined) return BigInt($int);
  if ($float !== undefined) return Number($float);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
}

describe('the test vectors', () => {
  it('are those of this version', () => {
    expect(vectors.subprotocol).toBe(SUBPROTOCOL);
  });

  it.each(vectors.frames.map((vector) => [vector.name, vector] as const))('decode: %s', (_name, vector) => {
    const frame = bytesOf(vector.hex);
    expect(decodeHeader(frame)).toEqual({ type: vector.type, flags: vector.flags, ref: vector.ref });
    if (vector.kind === 'rows') {
      expect(countRows(frameBody(frame), vector.columns!)).toBe(vector.rows!.length);
      expect(decodeRows(frameBody(frame), vector.columns!)).toEqual(revive(vector.rows));
    } else {
      expect(decodeBody(vector.kind, frameBody(frame))).toEqual({ ok: true, body: revive(vector.body) });
    }
  });

  it.each(vectors.frames.map((vector) => [vector.name, vector] as const))('encode: %s', (_name, vector) => {
    const body =
      vector.kind === 'rows'
        ? Buffer.concat((revive(vector.rows) as SqlValue[][]).map((row) => encodeCbor(row)))
        : encodeBody(vector.kind, revive(vector.body) as never);
    expect(hexOf(encodeFrame(vector.type, vector.ref, body, vector.flags))).toBe(vector.hex);
  });

  it.each(vectors.values.map((vector) => [vector.name, vector] as const))('value: %s', (_name, vector) => {
    const row = bytesOf(`81${vector.hex}`);
    expect(countRows(row, 1)).toBe(1);
    expect(decodeRow(row)).toEqual([revive(vector.value)]);
    // Only the engine knows whether a column is REAL; from a JavaScript number nobody can tell 1.0 from 1.
    const isAmbiguous = typeof vector.value === 'object' && vector.value !== null && '$float' in vector.value;
    if (!isAmbiguous) expect(hexOf(encodeCbor(revive(vector.value)))).toBe(vector.hex);
  });

  it.each(vectors.malformed.frames.map(({ name, hex }) => [name, hex] as const))('no frame: %s', (_name, hex) => {
    expect(decodeHeader(bytesOf(hex))).toBeUndefined();
  });

  it.each(vectors.malformed.bodies.map((vector) => [vector.name, vector] as const))('no body: %s', (_name, vector) => {
    expect(decodeBody(vector.kind, bytesOf(vector.hex)).ok).toBe(false);
  });

  it.each(vectors.malformed.rows.map((vector) => [vector.name, vector] as const))('no rows: %s', (_name, vector) => {
    expect(countRows(bytesOf(vector.hex), vector.columns)).toBe(-1);
  });

  it('have the proofs that the key of the example makes', () => {
    const { identity, enrolmentProof, helloProof } = vectors;
    const der = bytesOf(`302e020100300506032b657004220420${identity.privateKeySeedHex}`);
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(key).export({ format: 'jwk' }).x!;
    expect(publicKey).toBe(identity.publicKeyX);
    const digest = createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest();
    expect(base32(digest.subarray(0, 15))).toBe(identity.agentId);
    const { org, timestampMs } = enrolmentProof;
    expect(enrolmentProof.message).toBe(`muster.v1 enroll\n${org}\n${publicKey}\n${timestampMs}`);
    expect(sign(null, Buffer.from(enrolmentProof.message), key).toString('base64url')).toBe(enrolmentProof.proof);
    const tokenHash = createHash('sha256').update(helloProof.token).digest('base64url');
    expect(tokenHash).toBe(helloProof.tokenSha256);
    const nonce = Buffer.from(helloProof.nonceHex, 'hex').toString('base64url');
    expect(helloProof.message).toBe(`muster.v1 hello\n${identity.agentId}\n${nonce}\n${tokenHash}`);
    expect(sign(null, Buffer.from(helloProof.message), key).toString('hex')).toBe(helloProof.proofHex);
  });

  it('cover every type of frame', () => {
    // The vectors of samples and of history are in `metrics.json`.
    const samples: readonly number[] = [FRAME.keyframe, FRAME.delta, FRAME.history];
    const types = Object.values(FRAME).filter((type) => !samples.includes(type));
    expect(new Set(vectors.frames.map(({ hex }) => hex.slice(0, 2))).size).toBe(types.length);
    expect(vectors.frames.every(({ hex }) => hex.length >= HEADER_BYTES * 2)).toBe(true);
  });
});

describe('the test vectors of commands', () => {
  const { commands, identity } = vectors;
  const { targetTree } = commands;
  const rootBytes = bytesOf(targetTree.rootHex);

  /** Header and payload, when the key of `by` made the signature. */
  function open(jws: string, by: KeyVector): { header: unknown; payload: unknown } | undefined {
    const [header = '', payload = '', signature = ''] = jws.split('.');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: by.x }, format: 'jwk' });
    const isGood = verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    return isGood ? { header: read(header), payload: read(payload) } : undefined;
  }

  it('have keys that fit their private parts', () => {
    for (const { x, privateKeySeedHex } of [commands.root, commands.signer, commands.retired]) {
      const der = Buffer.from(`302e020100300506032b657004220420${privateKeySeedHex}`, 'hex');
      const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
      expect(createPublicKey(key).export({ format: 'jwk' }).x).toBe(x);
    }
  });

  it('have a key list by the root and a command by the listed key', () => {
    const { root, signer, keyList } = commands;
    expect(open(keyList.jws, root)).toEqual({
      header: { alg: 'EdDSA', kid: root.kid, typ: COMMAND_KEYS_TYPE },
      payload: keyList.claims,
    });
    for (const { delivery } of commands.accepted) {
      expect(open((delivery as CommandBody).jws, signer)).toEqual({
        header: { alg: 'EdDSA', kid: signer.kid, typ: COMMAND_TYPE },
        payload: commandClaimsSchema.parse(commands.claims),
      });
    }
  });

  it('have the tree that the leaves make', () => {
    const tree = TargetTree.over(targetTree.leaves);
    expect(hexOf(tree.root)).toBe(targetTree.rootHex);
    expect(Buffer.from(tree.root).toString('base64url')).toBe(commands.claims.root);
    for (const { number, agentId, binding, entryHex, hashHex, proofHex } of targetTree.leaves) {
      const entry = encodeCbor([number, agentId, binding ?? null]);
      expect([hexOf(entry), hexOf(tree.proof(number))]).toEqual([entryHex, proofHex]);
      expect(createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex')).toBe(hashHex);
    }
  });

  it.each([...commands.accepted, ...commands.refused].map((vector) => [vector.name, vector] as const))(
    'delivery: %s',
    (_name, vector) => {
      const { body } = decodeBody('command', encodeBody('command', revive(vector.delivery) as CommandBody)) as {
        body: CommandBody;
      };
      const leaf = {
        number: body.number,
        agentId: identity.agentId as TargetLeaf['agentId'],
        ...(body.binding !== null && { binding: body.binding }),
      };
      const isTarget = verifyTarget(leaf, { root: rootBytes, size: commands.claims.targets }, body.proof);
      const { code } = ('report' in vector ? vector.report : {}) as { code?: string };
      expect(isTarget).toBe(code !== 'not_a_target');
      const doubtful = ['bad_signature', 'malformed', 'unknown_key', 'retired_key'];
      if (code === undefined || !doubtful.includes(code)) expect(open(body.jws, commands.signer)).toBeDefined();
      if (code === 'bad_signature') expect(open(body.jws, commands.signer)).toBeUndefined();
    },
  );
});

describe('docs/protocol.md', () => {
  it('shows the bytes of the vectors, each of them once', () => {
    const shown = [...documentation.matchAll(/```hex (.+)\n([^]*?)```/g)].map(([, name, text = '']) => ({
      name,
      hex: text.replaceAll(/#.*/g, '').replaceAll(/\s/g, ''),
    }));
    expect(shown).toHaveLength(vectors.frames.length);
    for (const { name, hex } of vectors.frames) expect(shown).toContainEqual({ name, hex });
  });

  it('shows the proofs of the vectors', () => {
    const { identity, enrolmentProof, helloProof } = vectors;
    const texts = [identity.privateKeySeedHex, identity.publicKeyX, identity.agentId, enrolmentProof.proof];
    texts.push(helloProof.token, helloProof.message.replaceAll('\n', '\\n'));
    const { root, signer, targetTree } = vectors.commands;
    texts.push(root.x, signer.x, signer.kid, targetTree.rootHex);
    for (const { entryHex, hashHex } of targetTree.leaves) texts.push(entryHex, hashHex);
    for (const text of texts) expect(documentation).toContain(text);
  });
});
