import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '@muster/local';
import { startHaproxy } from '../../kit/haproxy.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { progress, runBench, timestamped } from '../measure/run-bench.js';
import { fleetOptions } from '../../kit/harness.js';
import { sessionsOf, watchReturn } from '../../kit/return-times.js';

const USAGE = `npm run bench:return -- [options]

  --agents N     simulated endpoints (default 3000), on two gateways
  --rounds N     how often a gateway is lost (default 5)
  --hang         SIGSTOP instead of SIGKILL
  --balancer     behind HAProxy instead of a list of URLs
  --plain        without TLS
  --rest S       seconds between two rounds (default 35)`;

const OPTIONS = {
  agents: { type: 'string', default: '3000' },
  rounds: { type: 'string', default: '5' },
  hang: { type: 'boolean', default: false },
  balancer: { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  rest: { type: 'string', default: '35' },
} as const;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async ({ natsUrl, redisUrl, folder }, options) => {
    const agents = Number(options.agents);
    const stack = await startStack({
      folder: join(folder, 'stack'),
      natsUrl,
      redisUrl,
      gateways: 2,
      tls: !options.plain,
      logLevel: 'warn',
      restart: true,
      env: { gateway: { MUSTER_GATEWAY_ENROLL_RATE: '10000' } },
    });
    const [one, two] = stack.gateways.map(({ url }) => new URL(url).host) as [string, string];
    const balancer = options.balancer
      ? await startHaproxy([one, two], options.plain ? 'haproxy.cfg' : 'haproxy-passthrough.cfg')
      : undefined;
    const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
    const base = fleetOptions({ stack });
    const gateways =
      balancer === undefined ? base.gateways : ([`${options.plain ? 'ws' : 'wss'}://${balancer.address}`] as const);
    progress('starting the fleet');
    const fleet = await FleetProcess.start({
      t: 'fleet',
      keysFile: join(folder, 'fleet.json'),
      options: { ...base, gateways: [...gateways] as [string], agents, seed: 1, uniform: true, ...ca },
    });
    const rows: string[][] = [['round', 'lost', '50 %', '95 %', '99 %', 'all']];
    const all: object[] = [];
    for (let round = 0; round < Number(options.rounds); round += 1) {
      while ((await sessionsOf(stack)) < agents) await delay(200);
      await delay(Number(options.rest) * 1_000);
      const held = await Promise.all(stack.gateways.map((gateway) => sessionsOf({ gateways: [gateway] })));
      const at = (held[0] ?? 0) >= (held[1] ?? 0) ? 0 : 1;
      const gateway = stack.gateways[at];
      if (gateway === undefined) throw new Error('no gateway');
      const times = await watchReturn(stack, {
        agents,
        boundMs: 90_000,
        lose: () => {
          gateway.signal(options.hang ? 'SIGSTOP' : 'SIGKILL');
          return held[at] ?? 0;
        },
      });
      const figures = [0.5, 0.95, 0.99, 1].map((share) => times.at(share));
      all.push({ lost: times.lost, figures });
      rows.push([
        String(round),
        String(times.lost),
        ...figures.map((ms) => (ms === undefined ? '-' : (ms / 1_000).toFixed(1))),
      ]);
      progress(rows.at(-1)!.join('  '));
      if (options.hang) gateway.signal('SIGCONT');
    }
    await fleet.stop();
    await balancer?.stop();
    await stack.stop();
    return {
      name: timestamped('return'),
      document: { options, all },
      head: `endpoints come back, ${JSON.stringify(options)}`,
      tables: [rows],
      targets: [],
    };
  },
});
