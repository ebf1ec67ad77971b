import { describe, expect, it } from '@jest/globals';
import type { AgentFigures, Phase } from './measure-agent.js';
import { drawBandwidth } from './picture.js';
import { formatReport } from '../measure/run-bench.js';
import { report } from './report.js';
import { FAST_FORWARD, type BandwidthFigures, type BenchAgentFigures } from './run-bandwidth.js';
import { summarize } from './summary.js';

const HOUR_MS = 3_600_000;
const none: Phase = { ms: 0, times: 0, in: 0, out: 0, connections: 0 };
const once = (bytes: number): Phase => ({ ms: 1_000, times: 1, in: bytes, out: 0, connections: 1 });

function agent(name: string, change: Partial<BenchAgentFigures>, phases: Partial<AgentFigures['phases']>) {
  return {
    name,
    channel: 'live',
    fastForward: 1,
    queryMs: [10, 20],
    commandMs: [10],
    sinceReadMs: [1],
    own: [{ channel: 'live', purpose: 'query', in: 3, out: 4 }],
    ownOff: 0,
    ...change,
    phases: { enrol: once(5), connect: once(0), samples: none, queries: none, commands: none, idle: none, ...phases },
  } satisfies BenchAgentFigures;
}

/** So many bytes in an hour of an operator's time, a tenth of it measured. */
function idle(bytes: number, fastForward: number, beats: number, connections = 0): Phase {
  return { ms: HOUR_MS / 10 / fastForward, times: beats, in: bytes / 10, out: 0, connections };
}

const live = [
  agent(
    'L',
    { fastForward: FAST_FORWARD },
    { idle: idle(6_000, FAST_FORWARD, 10), samples: idle(60_000, FAST_FORWARD, 30) },
  ),
  // Two queries in a tenth of an hour, in which the heartbeats cost 600 bytes.
  agent('L', {}, { connect: once(400), idle: idle(6_000, 1, 10), queries: { ...idle(16_000, 1, 2) } }),
];
const poll = (name: string, bytes: number, connections: number) =>
  agent(
    name,
    { channel: 'poll', fastForward: FAST_FORWARD, queryMs: [9_000, 11_000], ownOff: 7 },
    {
      idle: idle(bytes, FAST_FORWARD, 20, connections),
      samples: idle(2 * bytes, FAST_FORWARD, 30),
    },
  );
const figures: BandwidthFigures = {
  agents: [...live, poll('P', 100_000, 0), poll('C', 900_000, 20)],
  counts: { relays: { up: 1_000, down: 500 }, gateways: { up: 990, down: 500, measured: 'sockets' } },
};
const workload = { freshnessMs: 10_000, queries: 4, commands: 1 };

describe('the summary of the bench', () => {
  const summary = summarize(figures, workload);
  const [first, cheap, cut] = summary.variants;

  it('takes the idle hour from fast-forward, and shows the real interval beside it', () => {
    expect(first?.idlePerMinute.fast).toBeCloseTo(100);
    expect(first?.idlePerMinute.real).toBeCloseTo(100);
    expect(first?.beat).toEqual({ fast: 60, real: 60 });
    expect([cheap?.beat.real, cut?.connectionsPerBeat.fast]).toEqual([undefined, 1]);
  });

  it('subtracts the heartbeats that happen anyway from the cost of a query', () => {
    expect(first?.query).toBeCloseTo((1_600 - 600) / 2);
    expect(first?.hours.idle).toBeCloseTo(6_400);
    expect(first?.hours.workload).toBeCloseTo(6_400 + 4 * 500);
    expect(first?.hours.watched).toBeCloseTo(60_400);
  });

  it('compares with the cheapest Poll, not with the dearest', () => {
    expect(summary.share.idle).toBeCloseTo(0.064);
    expect(summary.share.watched).toBeCloseTo(60_400 / 200_000);
  });

  it('gives the number of queries at which Live reaches a tenth, and the interval at which Poll costs as little', () => {
    const atATenth = { ...workload, queries: summary.queriesToATenth };
    expect(summarize(figures, atATenth).share.workload).toBeCloseTo(0.1);
    // 4,500 bytes for each poll at 100 bytes a minute.
    expect(summary.equalIntervalMs).toBeCloseTo(45 * 60_000);
  });

  it('shows for each target whether it was met', () => {
    expect(summary.targets.map(({ met }) => met)).toEqual([true, false, true, true, false]);
  });

  it('shows the figures, and the differences between the counts', () => {
    const text = formatReport({ document: {}, ...report(figures, summary) });
    for (const piece of ['0.064×', '6.4', 'MISSED', '≤ 100 B', '4 queries, 1 command', 'Scaled:', '10 heartbeats'])
      expect(text).toContain(piece);
    expect(text).toMatch(/agent_traffic, P +7 +7\n/);
    expect(text).toMatch(/bandwidth, all together +1490 +10\n/);
  });

  it('draws the figures', () => {
    const svg = drawBandwidth(summary);
    for (const piece of ['8.4 kB', '100 kB', '900 kB', '20 ms', '11.0 s', 'kB an hour for one endpoint', 'every 10 s'])
      expect(svg).toContain(piece);
  });
});
