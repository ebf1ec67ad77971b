import type { Endpoint, EndpointChange } from '@muster/directory';
import type { FleetHistograms } from './fleet/fleet-histograms.js';
import type { HealthMonitor } from './health/health-monitor.js';
import type { HealthRecords } from './health/health-records.js';
import type { SilenceRecorder } from './health/silence-recorder.js';
import type { SampleWriter } from './remote-write/sample-writer.js';
import type { EndpointTable } from './samples/endpoint-table.js';

export interface EndpointRemovalOptions {
  readonly table: EndpointTable;
  readonly fleet: Pick<FleetHistograms, 'begin' | 'leave' | 'join'>;
  readonly health: Pick<HealthMonitor, 'silenceOf'>;
  readonly silences: Pick<SilenceRecorder, 'add' | 'forget' | 'lost'>;
  readonly records: Pick<HealthRecords, 'forget'>;
  /** Absent without remote write. */
  readonly samples: Pick<SampleWriter, 'end' | 'release'> | undefined;
}

/** Takes endpoints out of the table, the fleet and remote write: those that fell silent, went to another instance, or exist no more. */
export class EndpointRemoval {
  readonly #options: EndpointRemovalOptions;

  constructor(options: EndpointRemovalOptions) {
    this.#options = options;
  }

  /** It sends nothing any more. Its silence is a matter of health, unless its session ended in order. */
  expired(slot: number): void {
    const { table, health, silences, samples } = this.#options;
    const silence = table.ended[slot] === 0 ? health.silenceOf(slot) : undefined;
    samples?.end(slot);
    this.#remove(slot);
    if (silence !== undefined) silences.add(silence);
  }

  /** Another instance owns these partitions now, and goes on with the series of their endpoints. */
  lost(partitions: ReadonlySet<number>): void {
    const { table, silences, samples } = this.#options;
    silences.lost(partitions);
    for (let slot = 0; slot < table.end; slot += 1) {
      if (table.nums[slot] === 0 || !partitions.has(table.partitions[slot] as number)) continue;
      samples?.release(slot);
      this.#remove(slot);
    }
  }

  changed(endpoint: Endpoint, change: EndpointChange): void {
    const { table, fleet, records, silences, samples } = this.#options;
    if (change === 'removed') records.forget(endpoint);
    if (change === 'removed' || change === 'revoked') silences.forget(endpoint.num);
    const slot = table.slotOf(endpoint.num);
    if (slot === undefined) return;
    if (change === 'removed' || change === 'revoked') {
      samples?.end(slot);
      this.#remove(slot);
    } else if (change === 'facts' || change === 'labels') {
      fleet.leave(slot);
      fleet.begin(slot);
      fleet.join(slot);
    }
  }

  #remove(slot: number): void {
    this.#options.fleet.leave(slot);
    this.#options.table.remove(slot);
  }
}
