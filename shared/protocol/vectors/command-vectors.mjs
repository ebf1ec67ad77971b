/** The part of vectors.json about commands; see make-vectors.mjs. */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { encodeCbor, TargetTree } from '../dist/index.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** A key by its seed; named by its thumbprint (RFC 7638), though any text would do. */
function keyOf(seedHex) {
  const der = Buffer.from(`302e020100300506032b657004220420${seedHex}`, 'hex');
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  const kid = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).toString('base64url');
  return { key, kid, x, seedHex };
}

// Test keys of RFC 8032 §7.1: numbers 2, 3, and the one of 1024 bytes.
const root = keyOf('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
const signer = keyOf('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7');
const retired = keyOf('f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5');

function jws(payload, { key, kid }, header = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'EdDSA', kid, ...header })}.${encode(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}
const signCommand = (claims, by = signer, typ = 'muster-command+jws') => jws(claims, by, { typ });
const signKeys = (claims, by = root) => jws(claims, by, { typ: 'muster-command-keys+jws' });

const IAT = 1_790_000_000;

/** Everything about commands for the agent of this id. */
export function commandVectors({ agentId, org }) {
  const listClaims = {
    iss: 'muster',
    version: 2,
    iat: IAT - 86_400,
    keys: [{ kid: signer.kid, x: signer.x }],
    retired: [retired.kid],
  };
  const keys = signKeys(listClaims);
  const binding = { pid: 4711, start_time: 1_789_999_000, path: '/tmp/abc.exe' };
  const leaves = [
    { number: 1, agentId: 'aaaaaaaaaaaaaaaaaaaaaaaa', binding: { pid: 812, start_time: 1_789_998_000 } },
    { number: 2, agentId, binding },
    { number: 3, agentId: 'bbbbbbbbbbbbbbbbbbbbbbbb' },
  ];
  const tree = TargetTree.over(leaves);
  const rootOf = (one) => Buffer.from(one.root).toString('base64url');
  const id = 'c01jd8xk3t0h5m2p7r9v4w6y8zb';
  const claims = {
    iss: 'muster',
    org,
    jti: id,
    action: 'process.kill',
    params: { signal: 'KILL' },
    targets: 3,
    root: rootOf(tree),
    iat: IAT,
    exp: IAT + 3_600,
    timeoutMs: 30_000,
    dryRun: false,
    operator: { id: 'u1', name: 'Alice' },
    approver: { id: 'u2', name: 'Bob' },
    reason: 'malware',
  };
  const delivery = { id, number: 2, jws: signCommand(claims), keys, proof: tree.proof(2), binding };
  const jsonOf = (one) => ({ ...one, proof: { $hex: hex(one.proof) } });

  /** `authentic` as the report must have it. `atMs` is the agent's clock where it matters. */
  const refused = (name, code, change, { authentic = false, state = 'refused', atMs = IAT * 1_000 } = {}) => ({
    name,
    atMs,
    delivery: jsonOf({ ...delivery, ...change }),
    report: { state, code, authentic },
  });
  const resigned = (change, by, typ) => ({ jws: signCommand({ ...claims, ...change }, by, typ) });
  const [header, payload, signature] = delivery.jws.split('.');
  const otherPayload = Buffer.from(JSON.stringify({ ...claims, params: { signal: 'TERM' } })).toString('base64url');
  const noneHeader = Buffer.from(JSON.stringify({ alg: 'none', kid: signer.kid, typ: 'muster-command+jws' }));
  const unlisted = keyOf('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');

  return {
    about:
      'The agent has pinned `root`, belongs to `org`, has the id of `identity`, and has seen no command and no key list. `delivery` is the body of a COMMAND frame.',
    org,
    root: { kid: root.kid, x: root.x, privateKeySeedHex: root.seedHex },
    signer: { kid: signer.kid, x: signer.x, privateKeySeedHex: signer.seedHex },
    retired: { kid: retired.kid, x: retired.x, privateKeySeedHex: retired.seedHex },
    keyList: { claims: listClaims, jws: keys },
    targetTree: {
      leaves: leaves.map((leaf) => {
        const entry = encodeCbor([leaf.number, leaf.agentId, leaf.binding ?? null]);
        return {
          ...leaf,
          entryHex: hex(entry),
          hashHex: hex(sha256(Buffer.of(0), entry)),
          proofHex: hex(tree.proof(leaf.number)),
        };
      }),
      rootHex: hex(tree.root),
    },
    claims,
    accepted: [
      { name: 'a command bound to a row', atMs: IAT * 1_000, delivery: jsonOf(delivery) },
      { name: 'a clock that is five minutes behind', atMs: (IAT - 300) * 1_000, delivery: jsonOf(delivery) },
      { name: 'the last millisecond', atMs: (IAT + 3_600) * 1_000 - 1, delivery: jsonOf(delivery) },
    ],
    refused: [
      refused('a changed parameter', 'bad_signature', { jws: `${header}.${otherPayload}.${signature}` }),
      refused('algorithm none', 'malformed', { jws: `${noneHeader.toString('base64url')}.${payload}.${signature}` }),
      refused('no JWS', 'malformed', { jws: 'x.y.z' }),
      refused('another type of JWS', 'malformed', resigned({}, signer, 'at+jwt')),
      refused('a key that no list has', 'unknown_key', resigned({}, unlisted)),
      refused('a retired key', 'retired_key', resigned({}, retired)),
      refused('a list that no pinned root signed', 'unknown_key', { keys: signKeys(listClaims, unlisted) }),
      refused('another org', 'wrong_org', resigned({ org: 'other' })),
      refused('a signature over another command', 'malformed', { id: 'c01jd8xk3t0h5m2p7r9v4w6y8zc' }),
      refused('the number of another target', 'not_a_target', { number: 1 }),
      refused('the proof of another target', 'not_a_target', { number: 3, proof: tree.proof(3), binding: null }),
      refused('another row', 'not_a_target', { binding: { ...binding, pid: 4712 } }),
      refused('no row', 'not_a_target', { binding: null }),
      refused('a proof that is too short', 'not_a_target', { proof: tree.proof(2).subarray(32) }),
      refused(
        'signed more than five minutes from now',
        'not_yet_valid',
        {},
        {
          authentic: true,
          atMs: (IAT - 300) * 1_000 - 1,
        },
      ),
      refused('past its expiry', 'expired', {}, { authentic: true, state: 'expired', atMs: (IAT + 3_600) * 1_000 }),
      refused('an action that does not exist', 'unknown_action', resigned({ action: 'disk.erase' }), {
        authentic: true,
        state: 'unsupported',
      }),
      refused('a parameter that the action does not have', 'bad_params', resigned({ params: { nonsense: 1 } }), {
        authentic: true,
      }),
    ],
  };
}
