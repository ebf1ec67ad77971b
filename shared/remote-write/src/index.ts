export { RemoteWriter, type RemoteWriteOptions, type RemoteWriterContext } from './remote-writer.js';
export { createRemoteWriteMetrics, type RemoteWriteMetrics, type RemoteWriteState } from './remote-write-metrics.js';
export { remoteWriteFaults, remoteWriteFields, remoteWriteOptions } from './settings.js';
export type { EndpointSamples, Sample } from './series/series-table.js';
export type { MetricDefinition, MetricType } from './series/metric-definition.js';
export type { LabelPolicyOptions } from './series/label-policy.js';
export type { DropReason } from './series/drop-reason.js';
