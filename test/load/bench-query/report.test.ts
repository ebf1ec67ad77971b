import { describe, expect, it } from '@jest/globals';
import { formatSummary, summarize, type BenchFigures } from './report.js';
import type { ModeFigures, ProductFigures } from './run-product.js';

const mode = (completeMs: number, bytes: number): ModeFigures => ({
  times: [{ firstPartialMs: completeMs / 2, completeMs, ledger: {}, state: 'complete', bytes: 1 }],
  traffic: [{ messages: 10, bytes }],
  cpuMs: { fleet: 1, gateway: 2 },
});
const product = (bytesPerSession: number, group: ModeFigures, raw: ModeFigures): ProductFigures => ({
  bytesPerSession,
  emptyBytes: 0,
  modes: { group, raw },
});
const figures: BenchFigures = {
  agents: 100,
  gateways: 1,
  timedOverTls: false,
  questionBytes: 200,
  answerBytes: 200,
  floor: [{ completeMs: [100, 100], bytesPerConnection: 700, cpuMs: { fleet: 1, gateway: 1 } }],
  timed: product(2_000, mode(140, 1_000), mode(250, 100_000)),
  other: product(7_000, mode(1, 1), mode(1, 1)),
};

describe('the report of the bench', () => {
  it('says of each target whether it was met', () => {
    const { targets } = summarize(figures);
    expect(targets.map(({ name, met }) => [name, met])).toEqual([
      ['group mode, median, by floor', true],
      ['raw mode, median, by floor', false],
      ['first partial, median', true],
      ['plain session', true],
      ['TLS session', false],
      ['bytes on NATS, group by raw', true],
    ]);
  });

  it('takes the memory of each kind of connection from the run that had it', () => {
    const overTls = summarize({ ...figures, timedOverTls: true });
    expect([overTls.tlsBytesPerSession, overTls.plainBytesPerSession]).toEqual([2_000, 7_000]);
    const alone = summarize({ ...figures, other: undefined });
    expect(alone.targets.map(({ name }) => name)).not.toContain('TLS session');
  });

  it('shows what was measured', () => {
    const text = formatSummary(figures, summarize(figures));
    for (const piece of ['1.40 ×', '2.50 ×', 'MISSED', '≤ 1.5×', '100 agents on 1 gateway, plain']) {
      expect(text).toContain(piece);
    }
  });
});
