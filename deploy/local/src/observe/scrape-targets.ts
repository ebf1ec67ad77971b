import type { Stack } from '../stack/stack.js';
import type { ScrapeTarget } from './start-prometheus.js';

/** The health ports of all services of a stack. They keep their ports over a restart. */
export function scrapeTargets({ gateways, queries, commands, telemetries, postures, apis }: Stack): ScrapeTarget[] {
  return Object.entries({
    gateway: gateways,
    query: queries,
    command: commands,
    telemetry: telemetries,
    ...(postures.length === 0 ? {} : { posture: postures }),
    api: apis,
  }).flatMap(([kind, programs]) =>
    programs.flatMap(({ name, healthUrl }) =>
      healthUrl === undefined ? [] : [{ job: `muster-${kind}`, instance: name, healthUrl }],
    ),
  );
}
