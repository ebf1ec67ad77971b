import type { Endpoint } from '@muster/directory';
import { createRemoteWriteMetrics, RemoteWriter, remoteWriteOptions } from '@muster/remote-write';
import type { Clock, Logger, Metrics } from '@muster/runtime';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { metricDefinitions } from './metric-definitions.js';
import { SampleWriter } from './sample-writer.js';

export interface RemoteWriteDeps {
  readonly config: Parameters<typeof remoteWriteOptions>[0];
  /** The value of a secret at any later time. */
  readonly latest: NonNullable<Parameters<typeof remoteWriteOptions>[1]>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly table: EndpointTable;
  readonly endpointOf: (num: number) => Endpoint | undefined;
}

/** Remote write of all series; `undefined` where no store is configured. */
export function createRemoteWriter(
  deps: RemoteWriteDeps,
): { readonly writer: RemoteWriter; readonly samples: SampleWriter } | undefined {
  const options = remoteWriteOptions(deps.config, deps.latest);
  if (options === undefined) return undefined;
  const { clock, logger, table, endpointOf } = deps;
  const metrics = createRemoteWriteMetrics(deps.metrics);
  const writer = new RemoteWriter(options, {
    definitions: metricDefinitions(),
    clock,
    logger,
    metrics,
  });
  return { writer, samples: new SampleWriter({ table, writer, endpointOf }) };
}
