import type { MetricsEventJson } from '@muster/api-contract';
import type { HostHistory } from './host-history.js';
import type { HostReading } from './host-reading.js';

export type Processes = Pick<Extract<MetricsEventJson, { readonly event: 'processes' }>, 'byCpu' | 'byMemory'>;
export type ProcessOrder = 'cpu' | 'memory';

/** What is known of an endpoint while somebody looks at it. */
export interface EndpointScene {
  readonly host: string;
  /** `linux 12.0 (amd64)` */
  readonly system: string;
  /**
   * `connecting`: nothing is known yet. `live`: samples come. `away`: the endpoint is not connected; the stream waits
   * for it. `lost`: the stream broke, and is opened again. `stalled`: the message broker does not answer.
   */
  readonly state: 'connecting' | 'live' | 'away' | 'lost' | 'stalled';
  readonly reading: HostReading | undefined;
  /** How long ago the last sample came, whatever its clock says. */
  readonly ageMs: number | undefined;
  readonly history: HostHistory;
  readonly processes: Processes | undefined;
}

/** What the person at the terminal has chosen. */
export interface EndpointChoices {
  readonly order: ProcessOrder;
  readonly showCores: boolean;
  /** What is shown stands still. */
  readonly isHeld: boolean;
  readonly showHelp: boolean;
}
