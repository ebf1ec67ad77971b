import { drawBarChart, type Bar } from './bar-chart.js';
import { type BandwidthSummary, inWords, type VariantSummary } from './summary.js';

const COLOURS = ['#1f7a4d', '#c77700', '#e3b56b'];
const LABELS = ['Live', 'Poll', 'Poll, cut'];

export function drawBandwidth({ share, variants, workload }: BandwidthSummary): string {
  const seconds = workload.freshnessMs / 1_000;
  const bars = (value: (variant: VariantSummary) => number, words: (value: number) => string): Bar[] =>
    variants
      .map((variant, at) => ({ variant, label: LABELS[at] ?? variant.name, colour: COLOURS[at] ?? '#888888' }))
      .map(({ variant, label, colour }) => ({ label, value: value(variant), text: words(value(variant)), colour }));
  const kilobytes = (value: (variant: VariantSummary) => number): Bar[] =>
    bars(
      (variant) => value(variant) / 1_000,
      (kB) => `${kB.toFixed(kB < 100 ? 1 : 0)} kB`,
    );
  const times = (value: (variant: VariantSummary) => number): Bar[] =>
    bars(
      (variant) => value(variant) / 1_000,
      (s) => (s < 1 ? `${(s * 1_000).toFixed(0)} ms` : `${s.toFixed(1)} s`),
    );
  const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
  return drawBarChart({
    title: `Live and Poll, where an answer is needed within ${seconds} s`,
    subtitle: `One endpoint, measured on the wire: payload of TCP both ways, with TLS, HTTP and WebSocket. Poll comes every ${seconds} s.`,
    panels: [
      {
        title: 'Bytes an hour',
        axis: 'kB an hour for one endpoint',
        groups: [
          { title: `On demand: ${inWords(workload)}`, bars: kilobytes(({ hours }) => hours.workload) },
          { title: `Watched: a sample every ${seconds} s`, bars: kilobytes(({ hours }) => hours.watched) },
        ],
      },
      {
        title: 'Freshness',
        axis: 'seconds from the query to its answer',
        groups: [
          { title: 'Half of the answers within', bars: times(({ queryMs }) => queryMs.p50) },
          { title: '95 % of the answers within', bars: times(({ queryMs }) => queryMs.p95) },
        ],
      },
    ],
    footnotes: [
      `Live takes ${percent(share.workload)} of the bytes of the cheapest Poll when it is asked, ${percent(share.watched)} when it is watched all hour.`,
      'Cut: the network ends idle connections, so that each poll opens its own. Otherwise they are kept alive.',
    ],
  });
}
