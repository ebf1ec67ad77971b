import { describe, expect, it } from '@jest/globals';
import { AGENT_OUTCOMES } from './outcomes.js';
import { REPORTED_STATES } from './command-states.js';
import { decodeBody } from './bodies.js';
import { encodeCbor } from './cbor.js';

type Kind = Parameters<typeof decodeBody>[0];

const text = (length: number): string => 'x'.repeat(length);
const list = (length: number, item: unknown = ''): unknown[] => Array.from({ length }, () => item);
const bytes = (length: number): Uint8Array => new Uint8Array(length);

const MODE = { mode: 'poll', intervalMs: 60_000, reason: '', spreadMs: 0 };
const LEASE = { forMs: 1, next: { mode: 'live', intervalMs: 60_000 } };
const FACTS = { host: 'h', os: 'linux', arch: '', osName: '', osVersion: '', agentVersion: '' };
const PROCESS = [1, 'sh', 0.25, 4_096, 'root'];
const WARNING = { code: 'cut', count: 1, message: '' };
const COMMAND = { id: 'c', number: 1, jws: '', keys: '', proof: bytes(0), binding: null };

/** A body of each kind with its required members only. */
const BODIES: Readonly<Record<Kind, Readonly<Record<string, unknown>>>> = {
  challenge: { nonce: bytes(32), serverTimeMs: 0 },
  hello: { facts: FACTS, labels: {}, capabilities: [], instance: bytes(16), proof: bytes(64) },
  welcome: { agentId: '', epoch: 0, heartbeatMs: 1_000, labels: {} },
  mode: MODE,
  error: { code: '', message: '' },
  reconnect: { afterMs: 0, spreadMs: 0, reason: '' },
  query: { id: '', sql: '', columns: [], remainingMs: 0, budget: { ms: 0, rows: 0, bytes: 0 }, credit: 0 },
  cancel: { reason: '' },
  credit: { bytes: 0 },
  command: COMMAND,
  commandCancel: { id: '', number: 1 },
  reportKept: { id: '', number: 1 },
  report: { id: 'c', number: 1, state: 'running', code: '', message: '', authentic: true },
  metrics: { everyMs: 60_000 },
  metricsHistory: { secondsMs: 0, minutesMs: 0 },
  processes: { atMs: 0, byCpu: [], byMemory: [] },
  queryEnd: { outcome: 'error', code: '', message: '' },
  warnings: { warnings: [] },
  pack: { checks: bytes(0) },
  packWanted: {},
  progress: { spentMs: 0, pausedMs: 0, paused: false, looked: 0 },
};

const fits = (kind: Kind, change: object): boolean => decodeBody(kind, encodeCbor({ ...BODIES[kind], ...change })).ok;

describe('a body', () => {
  it.each(Object.keys(BODIES) as Kind[])('%s needs its members, and each of its kind', (kind) => {
    expect(fits(kind, {})).toBe(true);
    for (const member of Object.keys(BODIES[kind])) {
      const { [member]: _, ...rest } = BODIES[kind];
      expect([member, decodeBody(kind, encodeCbor(rest)).ok]).toEqual([member, false]);
      expect([member, fits(kind, { [member]: [7] })]).toEqual([member, false]);
    }
  });

  it.each<[Kind, string, readonly unknown[], readonly unknown[]]>([
    ['challenge', 'nonce', [bytes(32)], [bytes(31), bytes(33), text(32)]],
    ['challenge', 'serverTimeMs', [0, 2 ** 53 - 1], [-1, 0.5, '0']],
    ['hello', 'capabilities', [list(64), [text(64)]], [list(65), [text(65)], [1]]],
    ['hello', 'instance', [bytes(16)], [bytes(15), bytes(17)]],
    ['hello', 'proof', [bytes(64)], [bytes(63), bytes(65)]],
    ['hello', 'labels', [{ env: 'prod' }], [{ 'no label': '' }, { env: 1 }]],
    ['hello', 'replaces', [0, 7], [-1, 'x']],
    [
      'hello',
      'away',
      [{ forMs: 0, failures: 0, why: text(512) }],
      [{ forMs: 0, failures: 0, why: text(513) }, {}, { forMs: -1, failures: 0, why: '' }],
    ],
    [
      'hello',
      'facts',
      [
        { ...FACTS, os: 'windows' },
        { ...FACTS, os: 'darwin' },
      ],
      [
        { ...FACTS, os: 'other' },
        { ...FACTS, host: '' },
        { ...FACTS, arch: text(33) },
      ],
    ],
    ['welcome', 'agentId', [text(64)], [text(65)]],
    ['welcome', 'token', [text(4_096)], [text(4_097)]],
    ['welcome', 'commandKeys', [text(32 * 1024)], [text(32 * 1024 + 1)]],
    ['welcome', 'heartbeatMs', [1_000], [999]],
    ['welcome', 'labels', [{ anything: 'goes' }], [{ a: 1 }]],
    [
      'welcome',
      'mode',
      [MODE, { ...MODE, lease: LEASE }],
      [{}, { ...MODE, lease: {} }, { ...MODE, lease: { ...LEASE, next: {} } }],
    ],
    ['mode', 'mode', ['live', 'poll'], ['other', '']],
    ['mode', 'intervalMs', [1_000, 24 * 3_600_000], [999, 24 * 3_600_000 + 1, 1_000.5]],
    ['mode', 'reason', [text(500)], [text(501)]],
    ['mode', 'spreadMs', [0], [-1]],
    ['error', 'code', [text(64)], [text(65)]],
    ['error', 'message', [text(512)], [text(513)]],
    ['reconnect', 'reason', [text(64)], [text(65)]],
    ['query', 'id', [text(64)], [text(65)]],
    ['query', 'columns', [list(2_000), [text(1_024)]], [list(2_001), [text(1_025)]]],
    ['query', 'budget', [{ ms: 1, rows: 1, bytes: 1 }], [{ ms: 1, rows: 1 }, { ms: -1, rows: 1, bytes: 1 }, {}]],
    [
      'query',
      'pack',
      [{ jws: text(32 * 1024), keys: text(32 * 1024) }],
      [{ jws: '' }, { jws: text(32 * 1024 + 1), keys: '' }],
    ],
    ['pack', 'checks', [bytes(512 * 1024)], [bytes(512 * 1024 + 1), text(1)]],
    ['cancel', 'reason', [text(64)], [text(65)]],
    ['command', 'number', [1], [0]],
    ['command', 'jws', [text(32 * 1024)], [text(32 * 1024 + 1)]],
    ['command', 'keys', [text(32 * 1024)], [text(32 * 1024 + 1)]],
    ['command', 'proof', [bytes(32), bytes(32 * 32)], [bytes(31), bytes(33), bytes(33 * 32), text(32)]],
    ['command', 'binding', [{ [text(64)]: 'x', b: 1, c: null }], [{ [text(65)]: 1 }, { a: true }, { a: [1] }]],
    ['commandCancel', 'number', [1], [0]],
    ['reportKept', 'number', [1], [0]],
    ['report', 'state', REPORTED_STATES, ['queued', 'sent', '']],
    ['report', 'message', [text(512)], [text(513)]],
    ['report', 'effects', [list(50), [text(256)]], [list(51), [text(257)]]],
    ['metrics', 'everyMs', [0, 3_600_000], [-1, 3_600_001, 0.5]],
    [
      'metrics',
      'watch',
      [{ everyMs: 1_000, forMs: 60_000 }],
      [{ everyMs: 999, forMs: 1 }, { everyMs: 1_000, forMs: 60_001 }, { everyMs: 1_000 }],
    ],
    ['metrics', 'keyframe', [true, false], [1, null]],
    ['processes', 'byCpu', [list(10, PROCESS)], [list(11, PROCESS), [['1', 'sh', 0, 0, 'root']], [PROCESS.slice(1)]]],
    ['processes', 'byMemory', [[[1, text(64), 0.5, 0, text(64)]]], [[[1, text(65), 0, 0, '']], [[1, '', -1, 0, '']]]],
    ['queryEnd', 'outcome', AGENT_OUTCOMES, ['answered', 'disconnected', '']],
    ['queryEnd', 'code', [text(64)], [text(65)]],
    ['query', 'warnings', [true, false], [1, null]],
    [
      'warnings',
      'warnings',
      [list(8, WARNING), [{ ...WARNING, code: text(64), message: text(512) }]],
      [list(9, WARNING), [{ ...WARNING, count: 0 }], [{ ...WARNING, message: text(513) }], [{ code: '', count: 1 }]],
    ],
  ])('%s bounds %s', (kind, member, good, bad) => {
    for (const value of good)
      expect(decodeBody(kind, encodeCbor({ ...BODIES[kind], [member]: value }))).toMatchObject({ ok: true });
    for (const value of bad) {
      const decoded = decodeBody(kind, encodeCbor({ ...BODIES[kind], [member]: value }));
      expect(decoded.ok ? value : decoded.fault.startsWith(member)).toBe(true);
    }
  });

  it('that is malformed CBOR, or no map, is told so', () => {
    expect(decodeBody('cancel', Uint8Array.of(0xff))).toMatchObject({
      ok: false,
      fault: expect.stringContaining('CBOR'),
    });
    expect(decodeBody('cancel', encodeCbor(7))).toMatchObject({ ok: false, fault: expect.stringMatching(/^: .+/) });
  });
});
