import type { Metrics } from '@muster/runtime';
import { FAILURES, type Failure } from './delivery/sender.js';
import { DROP_REASONS, type DropReason } from './series/drop-reason.js';

/** What is read at each scrape. */
export interface RemoteWriteState {
  readonly pendingSamples: number;
  readonly shards: number;
  readonly series: number;
  /** Age of the oldest sample that is not settled. */
  readonly behindSeconds: number;
}

export interface RemoteWriteMetrics {
  readonly sent: (samples: number) => void;
  readonly dropped: (reason: DropReason, samples: number) => void;
  readonly failed: (failure: Failure) => void;
  readonly request: (seconds: number, bytes: number) => void;
  /** The writer whose state is scraped. */
  readonly observe: (state: () => RemoteWriteState) => void;
}

const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The metrics `muster_telemetry_remote_write_*`, for a registry of the telemetry service. All label values are there from the start. */
export function createRemoteWriteMetrics(metrics: Metrics): RemoteWriteMetrics {
  let read: () => RemoteWriteState = () => ({ pendingSamples: 0, shards: 0, series: 0, behindSeconds: 0 });
  const sent = metrics.counter({
    name: 'muster_telemetry_remote_write_samples_sent_total',
    help: 'Samples that the store took, stale markers included.',
  });
  const dropped = metrics.counter({
    name: 'muster_telemetry_remote_write_samples_dropped_total',
    help: 'Samples that were not written, by reason.',
    labels: ['reason'],
  });
  const failed = metrics.counter({
    name: 'muster_telemetry_remote_write_requests_failed_total',
    help: 'Requests that the store did not take, by reason; all but rejected ones are sent again.',
    labels: ['reason'],
  });
  const bytes = metrics.counter({
    name: 'muster_telemetry_remote_write_sent_bytes_total',
    help: 'Bytes of request bodies, compressed, repeats included.',
  });
  const seconds = metrics.histogram({
    name: 'muster_telemetry_remote_write_request_duration_seconds',
    help: 'Time from the start of a request to the end of its answer or its failure.',
    buckets: REQUEST_BUCKETS,
  });
  metrics.gauge({
    name: 'muster_telemetry_remote_write_pending_samples',
    help: 'Samples that wait or are in a request.',
    collect: (gauge) => gauge.set(read().pendingSamples),
  });
  metrics.gauge({
    name: 'muster_telemetry_remote_write_shards',
    help: 'Queues that send beside each other.',
    collect: (gauge) => gauge.set(read().shards),
  });
  metrics.gauge({
    name: 'muster_telemetry_remote_write_series',
    help: 'Time series that are kept track of.',
    collect: (gauge) => gauge.set(read().series),
  });
  metrics.gauge({
    name: 'muster_telemetry_remote_write_behind_seconds',
    help: 'Age of the oldest sample that is not settled.',
    collect: (gauge) => gauge.set(read().behindSeconds),
  });
  for (const reason of DROP_REASONS) dropped.inc({ reason }, 0);
  for (const reason of FAILURES) failed.inc({ reason }, 0);
  return {
    sent: (samples) => sent.inc(samples),
    dropped: (reason, samples) => dropped.inc({ reason }, samples),
    failed: (reason) => failed.inc({ reason }),
    request: (duration, length) => {
      seconds.observe(duration);
      bytes.inc(length);
    },
    observe: (state) => {
      read = state;
    },
  };
}
