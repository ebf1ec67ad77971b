import { describe, expect, it } from '@jest/globals';
import { formatReport } from '../measure/run-bench.js';
import { report, summarize, type BenchFigures } from './report.js';
import type { FormFigures, ProductFigures } from './run-product.js';

const form = (completeMs: number, bytes: number): FormFigures => ({
  times: [{ firstPartialMs: completeMs / 2, completeMs, ledger: {}, state: 'complete', bytes: 1 }],
  traffic: [{ messages: 10, bytes }],
  cpuMs: { fleet: 1, gateway: 2 },
});
const product = (bytesPerSession: number, group: FormFigures, raw: FormFigures): ProductFigures => ({
  bytesPerSession,
  emptyBytes: 0,
  forms: { group, raw },
});
const figures: BenchFigures = {
  agents: 100,
  gateways: 1,
  timedOverTls: false,
  questionBytes: 200,
  answerBytes: 200,
  floor: [{ completeMs: [100, 100], bytesPerConnection: 700, cpuMs: { fleet: 1, gateway: 1 } }],
  timed: product(2_000, form(114, 1_000), form(250, 100_000)),
  other: product(7_000, form(1, 1), form(1, 1)),
};

describe('the report of the bench', () => {
  it('shows for each target whether it was met', () => {
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

  it('takes the memory of each kind of connection from its own run', () => {
    const overTls = summarize({ ...figures, timedOverTls: true });
    expect([overTls.tlsBytesPerSession, overTls.plainBytesPerSession]).toEqual([2_000, 7_000]);
    const alone = summarize({ ...figures, other: undefined });
    expect(alone.targets.map(({ name }) => name)).not.toContain('TLS session');
  });

  it('shows what was measured', () => {
    const text = formatReport({ document: {}, ...report(figures, summarize(figures)) });
    for (const piece of ['1.14 ×', '2.50 ×', 'MISSED', '≤ 1.5×', '100 agents on 1 gateway, plain']) {
      expect(text).toContain(piece);
    }
  });
});
