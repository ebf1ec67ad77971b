import { parseArgs } from 'node:util';
import { measureMetrics } from '@muster/agent/testing/measure-metrics';

// `npm run bench:metrics`: what host metrics cost. Part "agent": this machine is measured as an agent does it.
const { values } = parseArgs({
  options: { part: { type: 'string', default: 'agent' }, seconds: { type: 'string', default: '60' } },
});
if (values.part === 'agent') await agent(Number(values.seconds));
else {
  process.stderr.write(`no part ${values.part}; there is: agent\n`);
  process.exitCode = 2;
}

async function agent(seconds: number): Promise<void> {
  const cost = await measureMetrics(seconds);
  const percent = (share: number): string => `${(100 * share).toFixed(3)} % of one core`;
  const lines = [
    ['standard set', `${cost.standardUs.toFixed(0)} µs of processor time, ${cost.values} values with the detailed set`],
    ['detailed set', `${cost.detailedUs.toFixed(0)} µs`],
    ['unwatched', percent(cost.unwatchedShare)],
    ['watched', percent(cost.watchedShare)],
    ['keyframe', `${cost.keyframeBytes} bytes`],
    ['watched, on the wire', `${cost.bytesPerSecond.toFixed(0)} bytes per second`],
    ['history', `${cost.historyBytes} bytes after ${cost.seconds} s`],
  ];
  for (const [what, value] of lines) process.stdout.write(`agent: ${what}: ${value}\n`);
}
