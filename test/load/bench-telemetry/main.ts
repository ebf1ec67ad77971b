import { parseArgs } from 'node:util';
import { benchTelemetry } from './telemetry.js';

/** `bench:telemetry`: what one telemetry process sustains, and what its endpoints cost. */
const { values: flags } = parseArgs({
  options: { endpoints: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '5' } },
});

const figures = await benchTelemetry(Number(flags.endpoints), Number(flags.rounds));
const of = (value: number, digits = 0): string => value.toLocaleString('en-US', { maximumFractionDigits: digits });
console.log(
  [
    `deltas                             ${of(figures.samples)} of ${of(figures.endpoints)} endpoints`,
    `samples per second of processor    ${of(figures.samplesPerCpuSecond)} (from the socket to the counts, one process)`,
    `samples per second                 ${of(figures.samplesPerSecond)} (with what the brokers and the bench take on the same processors)`,
    `bytes of a keyframe, of a delta    ${of(figures.keyframeBytes)}, ${of(figures.deltaBytes)}`,
    `memory per endpoint                ${of(figures.bytesPerEndpoint)} bytes, beside ${of(figures.emptyBytes / 2 ** 20)} MiB of the process with its identities`,
  ].join('\n'),
);
