import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { decodeDelta, decodeKeyframe, hostMetric, hostValue, type Sample } from '@muster/host-metrics';
import { encodeBody, FRAME, type MetricsBody } from '@muster/protocol';
import type { FakeSession } from './testing/fake-session.js';
import { ProgramFixture } from './testing/program-fixture.js';

jest.setTimeout(90_000);

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
});
