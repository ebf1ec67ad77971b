import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import type { Entry, ReadOptions, StreamStore } from '@muster/bus';
import type { AgentId, Labels, OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { randomBytes } from 'node:crypto';
import { Directory } from './directory.js';

const ORG = 'acme' as OrgId;
const COUNT = 3_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** A stream that has these entries and gets no more: the broker in memory keeps its own copy of everything, and is slow for so many. */
function streamOf(entries: readonly Pick<Entry, 'subject' | 'data'>[]): StreamStore {
  const read = async function* (_stream: string, { onCaughtUp, signal }: ReadOptions = {}): AsyncGenerator<Entry> {
    // Each in a buffer of its own, as it comes from the network.
    for (const [at, { subject, data }] of entries.entries())
      yield { seq: at + 1, subject: Buffer.from(subject).toString(), data: data.slice(), timestampMs: 0, pending: 0 };
    onCaughtUp?.();
    await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  };
  return { read } as unknown as StreamStore;
}

/** Bytes of heap that each of many identities takes in a directory. */
async function bytesEach(labelsOf: (i: number) => Labels): Promise<number> {
  const facts = {
    os: 'linux',
    arch: 'x86_64',
    osName: 'Debian GNU/Linux',
    osVersion: '12',
    agentVersion: '1.4.2',
  } as const;
  const entries = Array.from({ length: COUNT }, (_, i) => {
    const agentId = randomBytes(12).toString('hex') as AgentId;
    const enrolled = {
      ...{ agentId, org: ORG, publicKey: randomBytes(32).toString('base64url'), enrolledAtMs: 1_000 + i },
      ...{ from: `10.1.${i >> 8}.${i & 255}`, facts: { ...facts, host: `web-${i}.example.net` } },
      ...{ labels: labelsOf(i), secret: 'image' },
    };
    return [
      { subject: STREAM_SUBJECTS.enrolled(ORG, agentId), data: encodeRecord(enrolled) },
      { subject: STREAM_SUBJECTS.firstSession(ORG, agentId), data: encodeRecord({ atMs: 2_000 + i, num: 2 * i + 1 }) },
    ];
  }).flat();
  const before = heapBytes();
  const directory = new Directory({ streams: streamOf(entries), logger: silentLogger });
  await directory.start();
  expect(directory.size).toBe(COUNT);
  const each = (heapBytes() - before) / COUNT;
  expect([...directory.all()].at(-1)?.firstLiveAtMs).toBe(2_000 + COUNT - 1);
  await directory.stop();
  return Math.round(each);
}

const LONG = 'x'.repeat(50);

// The numbers of docs/operations.md, "Memory of identities".
it('an endpoint of a fleet takes less than 1,000 bytes, and a made-up one with the largest labels less than 9 KB', async () => {
  const usual = await bytesEach((i) => ({ env: 'prod', site: `s${i % 40}`, team: 'payments' }));
  const largest = await bytesEach((i) =>
    Object.fromEntries(Array.from({ length: 32 }, (_, at) => [`k${LONG}${at}-${i}`, `v${LONG}${at}-${i}`])),
  );
  // stdout, so that the numbers can be taken from here.
  process.stdout.write(`bytes per identity: ${usual} usual, ${largest} with 32 labels of full length\n`);
  expect(usual).toBeLessThan(1_000);
  expect(largest).toBeLessThan(9_000);
});
