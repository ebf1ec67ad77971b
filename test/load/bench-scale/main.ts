import { benchQuery } from '../bench-query/bench-query.js';
import { formatReport, progress, runBench, timestamped, withBrokers, type BenchBrokers } from '../measure/run-bench.js';
import { fitsOf, report } from './report.js';
import { runStep } from './run-step.js';
import type { StepFigures } from './step-figures.js';

const USAGE = `npm run bench:scale -- [options]

  --agents N,N,...  sizes of the fleet, one after the other, each with brokers and services of its own (default 5000,15000)
  --repetitions N   of each question; half as many commands (default 5)
  --tls             endpoints connect over TLS
  --gateways N      default: one for each 15,000 endpoints, because of file descriptors
  --services N      query, command and telemetry services each (default 1)
  --profile DIR     let V8 write CPU profiles of all processes to this folder`;

const OPTIONS = {
  agents: { type: 'string', default: '5000,15000' },
  repetitions: { type: 'string', default: '5' },
  tls: { type: 'boolean', default: false },
  gateways: { type: 'string' },
  services: { type: 'string', default: '1' },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (first, { agents, repetitions, tls, gateways, services, profile }) => {
    const { sql } = await benchQuery();
    const options = {
      ...{ tls, sql, repetitions: Number(repetitions), services: Number(services) },
      ...(gateways !== undefined && { gateways: Number(gateways) }),
      ...(profile !== undefined && { profileFolder: profile }),
    };
    const steps: StepFigures[] = [];
    for (const size of agents.split(',').map(Number)) {
      const step = (brokers: BenchBrokers): Promise<StepFigures> => runStep(brokers, { ...options, agents: size });
      // Each in empty brokers: what the step before left there would be read by this one's services.
      steps.push(await (steps.length === 0 ? step(first) : withBrokers(step)));
      // Steps take minutes: what is known is said at once.
      progress(`\n${formatReport({ document: {}, ...report(steps) })}\n`);
    }
    return {
      kept: { [`scale-${tls ? 'tls' : 'plain'}.json`]: `${JSON.stringify(steps, null, 1)}\n` },
      name: timestamped('scale'),
      document: { steps, fits: Object.fromEntries(fitsOf(steps)) },
      ...report(steps),
    };
  },
});
