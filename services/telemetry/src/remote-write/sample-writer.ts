import type { Endpoint } from '@muster/directory';
import {
  decodeDelta,
  decodeKeyframe,
  GROUP_ATTRIBUTE,
  sampleValues,
  type HostMetric,
  type SampleValue,
} from '@muster/host-metrics';
import type { EndpointSamples, RemoteWriter, Sample } from '@muster/remote-write';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { prometheusLabel, prometheusName } from './metric-definitions.js';

export interface SampleWriterOptions {
  readonly table: EndpointTable;
  readonly writer: Pick<RemoteWriter, 'append' | 'end' | 'release'>;
  readonly endpointOf: (num: number) => Endpoint | undefined;
}

interface Named {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Hands every value of every sample to remote write. */
export class SampleWriter {
  readonly #options: SampleWriterOptions;
  readonly #names = new Map<HostMetric, Named>();
  /** The same object for the same endpoint, so that its labels are compared once. */
  readonly #labels = new WeakMap<Endpoint, EndpointSamples['labels']>();

  constructor(options: SampleWriterOptions) {
    this.#options = options;
  }

  /** A new sample is in this slot. */
  write(slot: number): void {
    const { table, writer, endpointOf } = this.#options;
    const endpoint = endpointOf(table.nums[slot] as number);
    if (endpoint === undefined) return;
    const base = decodeKeyframe(table.keyframe(slot));
    const delta = table.delta(slot);
    const samples: Sample[] = [];
    const details: Sample[] = [];
    for (const value of sampleValues(delta === undefined ? base : decodeDelta(delta, base)))
      if (value.group === 'core') details.push({ ...this.#named(value), isDetail: true });
      else samples.push(this.#named(value));
    // Where an endpoint may not have so many series, its disks and networks say more than its hundredth processor.
    for (const sample of details) samples.push(sample);
    const timestampMs = table.receivedMs[slot] as number;
    writer.append([
      {
        endpoint: String(endpoint.num),
        labels: this.#labelsOf(endpoint),
        timestampMs,
        samples,
      },
    ]);
  }

  /** The endpoint is gone. */
  end(slot: number): void {
    this.#options.writer.end(String(this.#options.table.nums[slot]));
  }

  /** Another instance has it now. */
  release(slot: number): void {
    this.#options.writer.release(String(this.#options.table.nums[slot]));
  }

  #named({ metric, group, instance, value }: SampleValue): Sample {
    let named = this.#names.get(metric);
    if (named === undefined) {
      const labels = Object.entries(metric.attributes).map(([key, its]) => [prometheusLabel(key), its]);
      named = {
        name: prometheusName(metric),
        labels: Object.fromEntries(labels) as Record<string, string>,
      };
      this.#names.set(metric, named);
    }
    if (group === undefined || instance === undefined) return { ...named, value };
    const { name, labels } = named;
    return {
      name,
      labels: {
        ...labels,
        [prometheusLabel(GROUP_ATTRIBUTE[group])]: instance,
      },
      value,
    };
  }

  #labelsOf(endpoint: Endpoint): EndpointSamples['labels'] {
    const known = this.#labels.get(endpoint);
    if (known !== undefined) return known;
    const { org, agentId, facts } = endpoint;
    const { host, os, arch, agentVersion } = facts;
    // What an endpoint calls itself does not replace what Muster knows of it.
    const labels = {
      ...endpoint.labels,
      org,
      agent: agentId,
      agent_id: agentId,
      host,
      os,
      arch,
      version: agentVersion,
    };
    this.#labels.set(endpoint, labels);
    return labels;
  }
}
