import { connectNats } from '@muster/bus';
import { silentLogger } from '@muster/runtime';
import { FalseGateways } from '../false-gateways/false-gateways.js';
import { reserveNumbers } from '../false-gateways/reserve-numbers.js';
import { target } from '../measure/report.js';
import { progress, runBench, timestamped } from '../measure/run-bench.js';
import { quantile } from '../measure/statistics.js';
import { killInTheMiddle, measureForm, type FormFigures, type Killed } from './run-coordinator.js';

const USAGE = `npm run bench:coordinator -- [options]

  --gateways N      false gateways (default 200)
  --endpoints N     of each (default 5000); all answer within 250 ms, with 280 different rows
  --repetitions N   of each form (default 5)
  --profile DIR     let V8 write CPU profiles of the query service to this folder`;

const OPTIONS = {
  gateways: { type: 'string', default: '200' },
  endpoints: { type: 'string', default: '5000' },
  repetitions: { type: 'string', default: '5' },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const FORMS = ['group', 'raw'] as const;
const COMPLETE_S = 3;
const PEAK_MIB = 300;
const LONGEST_TURN_MS = 100;

const median = (values: readonly number[]): number => quantile(values, 0.5);

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const [count, each] = [Number(options.gateways), Number(options.endpoints)];
    const broker = await connectNats({ servers: [brokers.natsUrl], name: 'bench', logger: silentLogger });
    await reserveNumbers(broker, count * each);
    const { natsUrl, redisUrl } = brokers;
    const gateways = await FalseGateways.start({ natsUrl, redisUrl, count, endpoints: each });
    try {
      const profile = options.profile === undefined ? {} : { profileFolder: options.profile };
      const run = {
        ...{ brokers, broker, gateways, endpoints: count * each, repetitions: Number(options.repetitions), ...profile },
      };
      const forms: Record<string, FormFigures> = {};
      const killed: Record<string, Killed> = {};
      for (const form of FORMS) {
        progress(`${form}: asking`);
        forms[form] = await measureForm(run, form);
      }
      for (const form of FORMS) {
        progress(`${form}: killing the query service in the middle`);
        killed[form] = await killInTheMiddle(run, form);
      }
      const { group, raw } = forms as Record<(typeof FORMS)[number], FormFigures>;
      return {
        name: timestamped('coordinator'),
        document: { gateways: count, endpointsOfEach: each, forms, killed },
        head: `one query service, ${count} false gateways of ${each} endpoints each; from the request to the end that a reader of the result stream sees`,
        tables: [timesTable({ group, raw }, count * each), killTable(killed)],
        targets: [
          ...target('group complete, median', median(group.completeMs) / 1_000, COMPLETE_S, ' s'),
          ...target('group, peak of memory', group.peakBytes / 2 ** 20, PEAK_MIB, ' MiB'),
          ...target('raw, peak of memory', raw.peakBytes / 2 ** 20, PEAK_MIB, ' MiB'),
          ...target('group, longest turn', group.longestTurnMs, LONGEST_TURN_MS, ' ms'),
          ...target('raw, longest turn', raw.longestTurnMs, LONGEST_TURN_MS, ' ms'),
          ...target('killed: ends that are not interrupted, or do not agree', disagreeing(killed), 0, ''),
        ],
      };
    } finally {
      await gateways.stop();
      await broker.stop({ drain: false });
    }
  },
});

function disagreeing(killed: Readonly<Record<string, Killed>>): number {
  return Object.values(killed).filter(({ state, agrees }) => state !== 'interrupted' || !agrees).length;
}

function timesTable(forms: Readonly<Record<string, FormFigures>>, endpoints: number): string[][] {
  return [
    [
      '',
      'median ms',
      'slowest ms',
      'processor ms',
      'µs each',
      'peak MiB',
      'turns p99 ms',
      'longest ms',
      'NATS messages',
      'NATS MB',
    ],
    ...Object.entries(forms).map(([form, one]) => [
      form,
      median(one.completeMs).toFixed(0),
      Math.max(...one.completeMs).toFixed(0),
      one.cpuMs.toFixed(0),
      ((one.cpuMs * 1_000) / endpoints).toFixed(2),
      (one.peakBytes / 2 ** 20).toFixed(0),
      one.turnP99Ms.toFixed(1),
      one.longestTurnMs.toFixed(0),
      one.natsMessages.toFixed(0),
      (one.natsBytes / 1e6).toFixed(1),
    ]),
  ];
}

function killTable(killed: Readonly<Record<string, Killed>>): string[][] {
  return [
    ['killed in the middle', 'end', 'told after s', 'answered', 'rows of', 'not answered', 'listed'],
    ...Object.entries(killed).map(([form, { state, ledger, shown, toldAfterMs }]) => [
      form,
      state,
      (toldAfterMs / 1_000).toFixed(1),
      String(ledger.answered),
      String(shown.answered),
      String(ledger.targeted - ledger.answered - ledger.empty),
      String(shown.failures),
    ]),
  ];
}
