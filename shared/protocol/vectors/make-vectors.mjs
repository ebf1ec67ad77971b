/**
 * Makes vectors.json. The file is frozen: agents in other languages are tested against it, so it is only made anew when the
 * protocol's version changes. Run it after a build, from anywhere: node shared/protocol/vectors/make-vectors.mjs > new.json
 */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { commandVectors } from './command-vectors.mjs';
import { base32, encodeCbor, encodeFrame, FRAME, SUBPROTOCOL } from '../dist/index.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');

// The first test key of RFC 8032 §7.1.
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const privateKey = createPrivateKey({
  key: Buffer.from(`302e020100300506032b657004220420${SEED}`, 'hex'),
  format: 'der',
  type: 'pkcs8',
});
const publicKeyX = createPublicKey(privateKey).export({ format: 'jwk' }).x;
const agentId = base32(createHash('sha256').update(Buffer.from(publicKeyX, 'base64url')).digest().subarray(0, 15));
const signText = (text) => sign(null, Buffer.from(text), privateKey);

const org = 'acme';
const timestampMs = 1_790_000_000_000;
const token = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJleGFtcGxlIn0.c2lnbmF0dXJl';
const nonce = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const tokenSha256 = createHash('sha256').update(token).digest('base64url');
const enrolMessage = `muster.v1 enroll\n${org}\n${publicKeyX}\n${timestampMs}`;
const helloMessage = `muster.v1 hello\n${agentId}\n${nonce.toString('base64url')}\n${tokenSha256}`;
const proof = signText(helloMessage);

const facts = {
  host: 'web-1',
  os: 'linux',
  arch: 'x86_64',
  osName: 'Debian GNU/Linux',
  osVersion: '12',
  agentVersion: '0.1.0',
};
const instance = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const commandId = 'c01jd8xk3t0h5m2p7r9v4w6y8zb';
const sql = "SELECT pid, name FROM processes WHERE name = 'sshd'";

/** Bytes in JSON. */
const jsonOf = (value) => {
  if (value instanceof Uint8Array) return { $hex: hex(value) };
  if (typeof value === 'bigint') return { $int: value.toString() };
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, jsonOf(inner)]));
};

const frame = (name, kind, from, fields, { ref = 0, flags = 0 } = {}) => ({
  name,
  kind,
  from,
  type: FRAME[kind],
  flags,
  ref,
  body: jsonOf(fields),
  hex: hex(encodeFrame(FRAME[kind], ref, encodeCbor(fields), flags)),
});

const rowsFrame = (name, rows, { ref, flags, columns = 2 }) => ({
  name,
  kind: 'rows',
  from: 'agent',
  type: FRAME.rows,
  flags,
  ref,
  columns,
  rows: rows.map((row) => row.map(jsonOf)),
  hex: hex(encodeFrame(FRAME.rows, ref, Buffer.concat(rows.map((row) => encodeCbor(row))), flags)),
});

const frames = [
  frame('challenge', 'challenge', 'gateway', { nonce, serverTimeMs: timestampMs }),
  frame('hello', 'hello', 'agent', {
    facts,
    labels: { env: 'prod', 'example.com/team': 'blue' },
    capabilities: ['query'],
    instance,
    proof,
  }),
  frame('welcome', 'welcome', 'gateway', {
    agentId,
    epoch: 1_790_000_000_123,
    heartbeatMs: 25_000,
    labels: { env: 'prod' },
  }),
  frame('welcome with a new token', 'welcome', 'gateway', {
    agentId,
    epoch: 1_790_000_000_124,
    heartbeatMs: 25_000,
    labels: {},
    token,
  }),
  frame('error', 'error', 'gateway', {
    code: 'superseded',
    message: 'a newer session of the same agent took over',
  }),
  frame('reconnect', 'reconnect', 'gateway', { afterMs: 0, spreadMs: 8_000, reason: 'draining' }),
  frame('mode', 'mode', 'gateway', {
    mode: 'live',
    intervalMs: 60_000,
    reason: 'incident 4711',
    spreadMs: 0,
    lease: { forMs: 7_200_000, next: { mode: 'poll', intervalMs: 60_000 } },
  }),
  frame(
    'query',
    'query',
    'gateway',
    {
      id: 'q01jd8xk3t0h5m2p7r9v4w6y8za',
      sql,
      columns: ['pid', 'name'],
      remainingMs: 29_950,
      budget: { ms: 10_000, rows: 10_000, bytes: 4_194_304 },
      credit: 262_144,
    },
    { ref: 7 },
  ),
  frame(
    'query with parameters',
    'query',
    'gateway',
    {
      id: 'q01jd8xk3t0h5m2p7r9v4w6y8za',
      sql: 'SELECT pid FROM processes WHERE name = :name',
      columns: ['pid'],
      remainingMs: 29_950,
      budget: { ms: 10_000, rows: 10_000, bytes: 4_194_304 },
      credit: 262_144,
      parameters: [{ name: 'name', type: 'text', value: "it's" }],
    },
    { ref: 7 },
  ),
  frame(
    'query with a pack',
    'query',
    'gateway',
    {
      id: 'q01jd8xk3t0h5m2p7r9v4w6y8za',
      sql: 'SCAN own 1.0.0',
      columns: ['check', 'outcome', 'reason', 'evidence'],
      remainingMs: 59_950,
      budget: { ms: 60_000, rows: 10_000, bytes: 4_194_304 },
      credit: 262_144,
      pack: { jws: 'header.claims.signature', keys: 'header.list.signature' },
    },
    { ref: 7 },
  ),
  frame('pack', 'pack', 'gateway', { checks: Buffer.from('8bae05000000ffff', 'hex') }, { ref: 7 }),
  frame('pack wanted', 'packWanted', 'agent', {}, { ref: 7 }),
  rowsFrame(
    'rows of a pack, final',
    [
      [0, 'pass', null, null],
      [1, 'fail', null, '[{"port":23}]'],
    ],
    { ref: 7, flags: 1, columns: 4 },
  ),
  frame('cancel', 'cancel', 'gateway', { reason: 'ended' }, { ref: 7 }),
  frame('credit', 'credit', 'gateway', { bytes: 4_194_304 }, { ref: 7 }),
  rowsFrame('rows', [[812, 'sshd']], { ref: 7, flags: 0 }),
  rowsFrame(
    'rows, final',
    [
      [4711, 'sshd'],
      [4712, null],
    ],
    { ref: 7, flags: 1 },
  ),
  rowsFrame('rows, final and empty', [], { ref: 7, flags: 1 }),
  rowsFrame('rows, asking for credit', [], { ref: 0xfffffffe, flags: 0 }),
  frame(
    'query end',
    'queryEnd',
    'agent',
    { outcome: 'refused', code: 'unsupported_table', message: 'table registry does not exist on linux' },
    { ref: 7 },
  ),
  frame(
    'warnings',
    'warnings',
    'agent',
    { warnings: [{ code: 'unreadable', count: 2, message: '/root/.ssh: permission denied' }] },
    { ref: 7 },
  ),
  frame(
    'query of low priority',
    'query',
    'gateway',
    {
      id: 'q01jd8xk3t0h5m2p7r9v4w6y8za',
      sql: "SELECT path FROM file WHERE path LIKE '/usr/%%'",
      columns: ['path'],
      remainingMs: 590_000,
      budget: { ms: 570_000, rows: 10_000, bytes: 4_194_304, priority: 'low' },
      credit: 262_144,
      warnings: true,
      progressMs: 5_000,
    },
    { ref: 7 },
  ),
  frame(
    'progress',
    'progress',
    'agent',
    { spentMs: 65_000, pausedMs: 12_000, paused: false, looked: 120_455 },
    { ref: 7 },
  ),
  frame('welcome with command keys', 'welcome', 'gateway', {
    agentId,
    epoch: 1_790_000_000_125,
    heartbeatMs: 25_000,
    labels: {},
    commandKeys: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl',
  }),
  frame('command', 'command', 'gateway', {
    id: commandId,
    number: 2,
    jws: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl',
    keys: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl',
    proof: nonce,
    binding: { pid: 4711, path: '/tmp/abc.exe' },
  }),
  frame('command cancel', 'commandCancel', 'gateway', { id: commandId, number: 2 }),
  frame('report kept', 'reportKept', 'gateway', { id: commandId, number: 2 }),
  frame('report', 'report', 'agent', {
    id: commandId,
    number: 2,
    state: 'succeeded',
    code: 'ok',
    message: 'killed 1 process',
    effects: ['killed 4711 /tmp/abc.exe'],
    authentic: true,
  }),
  frame('metrics', 'metrics', 'gateway', { everyMs: 60_000 }),
  frame('metrics of a watched endpoint', 'metrics', 'gateway', {
    everyMs: 60_000,
    watch: { everyMs: 1_000, forMs: 10_000 },
  }),
  frame('metrics history', 'metricsHistory', 'gateway', { secondsMs: 600_000, minutesMs: 86_400_000 }),
  frame('processes', 'processes', 'agent', {
    atMs: 1_767_225_600_000,
    byCpu: [[4711, 'abc.exe', 0.5, 8_388_608, 'root']],
    byMemory: [[1, 'systemd', 0, 12_582_912, 'root']],
  }),
];

const value = (name, json, bytesHex) => ({ name, value: json, hex: bytesHex });
const values = [
  value('NULL', null, 'f6'),
  value('zero', 0, '00'),
  value('23, the largest in one byte', 23, '17'),
  value('24', 24, '1818'),
  value('256', 256, '190100'),
  value('-1', -1, '20'),
  value('-500', -500, '3901f3'),
  value('2^53 - 1', 9007199254740991, '1b001fffffffffffff'),
  value('the largest INTEGER', { $int: '9223372036854775807' }, '1b7fffffffffffffff'),
  value('the smallest INTEGER', { $int: '-9223372036854775808' }, '3b7fffffffffffffff'),
  value('REAL 1.0', { $float: '1' }, 'f93c00'),
  value('REAL 0.5', 0.5, 'f93800'),
  value('REAL 3.4028234663852886e+38', 3.4028234663852886e38, 'fa7f7fffff'),
  value('REAL 0.1', 0.1, 'fb3fb999999999999a'),
  value('infinity', { $float: 'Infinity' }, 'f97c00'),
  value('minus infinity', { $float: '-Infinity' }, 'f9fc00'),
  value('empty TEXT', '', '60'),
  value('TEXT of four-byte characters and NUL', '\u{1f600}\u0000z', '66f09f9880007a'),
  value('empty BLOB', { $hex: '' }, '40'),
  value('BLOB', { $hex: '00ff80' }, '4300ff80'),
];

/** What must not be taken for a frame: the answer is close code 1002. */
const malformedFrames = [
  ['nothing', ''],
  ['a header that is cut off', '81000000000000'],
  ['an unknown type', '0600000000000000a0'],
  ['type zero', '0000000000000000a0'],
  ['a reserved byte that is not zero', '1001000000000007a0'],
  ['the other reserved byte', '1000000100000007a0'],
  ['a flag on a frame that has none', '8101000000000000a0'],
  ['an unknown flag of ROWS', '9002000000000007'],
  ['FINAL with an unknown flag', '9003000000000007'],
].map(([name, bytes]) => ({ name, hex: bytes }));

const good = { facts, labels: {}, capabilities: [], instance, proof };
const goodReport = { id: commandId, number: 2, state: 'failed', code: 'x', message: '', authentic: true };
const badReport = (name, change) => ({ name, kind: 'report', hex: hex(encodeCbor({ ...goodReport, ...change })) });
const badHello = (name, change) => ({ name, kind: 'hello', hex: hex(encodeCbor({ ...good, ...change })) });
const manyLabels = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v']));

/** Bodies that a gateway refuses. */
const malformedBodies = [
  { name: 'no CBOR at all', kind: 'hello', hex: 'ff' },
  { name: 'an empty body', kind: 'hello', hex: '' },
  { name: 'a map of indefinite length', kind: 'hello', hex: 'bf61610000ff' },
  { name: 'a map that is cut off', kind: 'hello', hex: 'a26161' },
  { name: 'the same key twice', kind: 'hello', hex: 'a2616101616102' },
  { name: 'a tag', kind: 'hello', hex: 'c100' },
  { name: 'an array where a map belongs', kind: 'hello', hex: '80' },
  { name: 'bytes after the map', kind: 'hello', hex: `${hex(encodeCbor(good))}00` },
  badHello('an operating system that is none of the three', { facts: { ...facts, os: 'beos' } }),
  badHello('an empty host name', { facts: { ...facts, host: '' } }),
  badHello('a host name of 254 characters', { facts: { ...facts, host: 'h'.repeat(254) } }),
  badHello('an instance of 15 bytes', { instance: instance.subarray(1) }),
  badHello('a proof of 63 bytes', { proof: proof.subarray(1) }),
  badHello('a proof as text', { proof: proof.toString('base64url') }),
  badHello('33 labels', { labels: manyLabels }),
  badHello('a label that is built in', { labels: { os: 'linux' } }),
  badHello('a label value with a blank', { labels: { team: 'blue team' } }),
  badHello('65 capabilities', { capabilities: Array.from({ length: 65 }, (_, i) => `c${i}`) }),
  {
    name: 'an outcome that is not an agent’s to report',
    kind: 'queryEnd',
    hex: hex(encodeCbor({ outcome: 'answered', code: 'x', message: '' })),
  },
  { name: 'a query end without a code', kind: 'queryEnd', hex: hex(encodeCbor({ outcome: 'error', message: '' })) },
  {
    name: 'a message of 513 characters',
    kind: 'queryEnd',
    hex: hex(encodeCbor({ outcome: 'error', code: 'x', message: 'm'.repeat(513) })),
  },
  badReport('a state that is not an agent’s to report', { state: 'sent' }),
  badReport('target number 0', { number: 0 }),
  badReport('51 effects', { effects: Array.from({ length: 51 }, () => 'x') }),
  badReport('a report that does not say whether it is authentic', { authentic: null }),
];

/** ROWS bodies that are no answer to a query with `columns` columns: the endpoint's outcome is `error`, code `malformed_rows`. */
const malformedRows = [
  ['a row of another number of columns', 1, '820102'],
  ['a nested array', 1, '8180'],
  ['a map', 1, '81a0'],
  ['a boolean', 1, '81f5'],
  ['undefined', 1, '81f7'],
  ['a tag', 1, '81c100'],
  ['an array of indefinite length', 1, '9f01ff'],
  ['text of indefinite length', 1, '817f6161ff'],
  ['a row that is cut off', 1, '816361'],
  ['an argument that is cut off', 1, '8119'],
  ['a value without a row', 1, '01'],
  ['a good row, then rubbish', 1, '8101ff'],
].map(([name, columns, bytes]) => ({ name, columns, hex: bytes }));

const vectors = {
  about:
    'Test vectors of the agent protocol, see docs/protocol.md. Bytes are hex. In values, {"$hex": …} is a byte string, {"$int": …} an integer beyond 2^53, {"$float": …} a float that JSON cannot tell from an integer or cannot write.',
  subprotocol: SUBPROTOCOL,
  identity: { privateKeySeedHex: SEED, publicKeyX, agentId },
  enrolmentProof: { org, timestampMs, message: enrolMessage, proof: signText(enrolMessage).toString('base64url') },
  helloProof: { nonceHex: hex(nonce), token, tokenSha256, message: helloMessage, proofHex: hex(proof) },
  frames,
  values,
  malformed: { frames: malformedFrames, bodies: malformedBodies, rows: malformedRows },
  commands: commandVectors({ agentId, org }),
};
process.stdout.write(`${JSON.stringify(vectors, null, 2)}\n`);
