import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeDelta, decodeHistory, decodeKeyframe, hostMetric, hostValue, type Sample } from '@muster/host-metrics';
import { decodeBody, encodeBody, FLAG_FINAL, FRAME, type FrameType, type MetricsBody } from '@muster/protocol';
import type { FakeSession, ReceivedFrame } from './testing/fake-session.js';
import { HungMount } from './testing/hung-mount.js';
import { ProgramFixture } from './testing/program-fixture.js';

let fixture: ProgramFixture;
beforeEach(async () => void (fixture = await ProgramFixture.open(mkdtempSync(join(tmpdir(), 'muster-metrics-')))));
afterEach(async () => {
  await fixture.close();
  rmSync(fixture.folder, { recursive: true, force: true });
});

function sendMetrics(session: FakeSession, body: MetricsBody): void {
  session.send(FRAME.metrics, 0, encodeBody('metrics', body));
}

/** The samples that the agent sends, decoded as a receiver does. */
async function* samples(session: FakeSession): AsyncGenerator<Sample> {
  let base: Sample | undefined;
  for (;;) {
    const { header, body } = await session.frame();
    if (header.type === FRAME.keyframe) yield (base = decodeKeyframe(body));
    else if (header.type === FRAME.delta && base !== undefined) yield decodeDelta(body, base);
  }
}

async function frameOf(session: FakeSession, type: FrameType): Promise<ReceivedFrame> {
  for (;;) {
    const frame = await session.frame();
    if (frame.header.type === type) return frame;
  }
}

describe('host metrics of the agent program', () => {
  test('a watched endpoint sends a keyframe and then deltas, with the numbers of this machine', async () => {
    fixture.start();
    const { session } = await fixture.session();
    sendMetrics(session, { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 60_000 }, keyframe: true });
    const taken: Sample[] = [];
    for await (const sample of samples(session)) if (taken.push(sample) === 4) break;
    expect(taken.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    for (const sample of taken) {
      expect(hostValue(sample, hostMetric('system.memory.limit'))).toBe(totalmem());
      expect(hostValue(sample, hostMetric('system.cpu.logical.count'))).toBe(cpus().length);
      expect(sample.shape.names.core).toHaveLength(cpus().length);
    }
    const utilization = hostValue(taken[3]!, hostMetric('system.cpu.utilization'))!;
    expect(utilization).toBeGreaterThanOrEqual(0);
    expect(utilization).toBeLessThanOrEqual(1);
  });

  test('one whose settings say so does not offer them', async () => {
    fixture.start({ MUSTER_AGENT_METRICS: 'off' });
    const { hello } = await fixture.session();
    expect(hello.capabilities).not.toContain('metrics');
  });

  test('answers with its history, and names the processes that use most while it is watched', async () => {
    const agent = fixture.start();
    const { session } = await fixture.session();
    sendMetrics(session, { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 60_000 }, keyframe: true });
    const processes = decodeBody('processes', (await frameOf(session, FRAME.processes)).body);
    if (!processes.ok) throw new Error(processes.fault);
    expect(processes.body.byMemory).toHaveLength(5);
    for (const [pid, name] of processes.body.byMemory) {
      expect(pid).toBeGreaterThan(0);
      expect(name).not.toBe('');
    }
    // Its first reading is in the keyframe, the second in the delta.
    await frameOf(session, FRAME.delta);
    session.send(FRAME.metricsHistory, 77, encodeBody('metricsHistory', { secondsMs: 600_000, minutesMs: 86_400_000 }));
    // Where an interface came or went meanwhile, the seconds are in several pieces.
    const past: Sample[] = [];
    for (let isFinal = false; !isFinal;) {
      const { header, body } = await frameOf(session, FRAME.history);
      expect(header).toMatchObject({ ref: 77 });
      const { kind, samples: some } = decodeHistory(body);
      if (kind === 'seconds') past.push(...some);
      isFinal = (header.flags & FLAG_FINAL) !== 0;
    }
    expect(past.length).toBeGreaterThan(1);
    expect(past.every((sample, i) => i === 0 || sample.atMs >= past[i - 1]!.atMs)).toBe(true);
    expect(agent.output).not.toContain('"level":"error"');
  });

  test('over Poll samples go along with polls, and cause none', async () => {
    fixture.start({ MUSTER_AGENT_MODE: 'poll' });
    const session = await fixture.gateway.nextPoll();
    session.pollAfterMs = 4_000;
    const fromMs = performance.now();
    await session.welcome();
    sendMetrics(session, { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 60_000 } });
    const taken: Sample[] = [];
    for await (const sample of samples(session)) if (taken.push(sample) === 6) break;
    expect(taken.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    // Those to open it and to say HELLO, then one in four seconds: several samples came with one of them.
    const seconds = (performance.now() - fromMs) / 1_000;
    expect(session.requests.length).toBeLessThanOrEqual(2 + seconds / 4 + 1);
  });
});

const withHungMount = HungMount.missing() === undefined ? describe : describe.skip;

withHungMount('host metrics beside a file system that does not answer', () => {
  test('are sent, and do not touch it', async () => {
    const mount = await HungMount.mount();
    try {
      fixture.start();
      const { session } = await fixture.session();
      sendMetrics(session, { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 60_000 }, keyframe: true });
      let last: Sample | undefined;
      for await (const sample of samples(session)) {
        last = sample;
        if (sample.seq >= 4 && sample.shape.names.filesystem.includes('/')) break;
      }
      expect(last?.shape.names.filesystem).not.toContain(mount.path);
    } finally {
      await mount.end();
    }
  });
});
