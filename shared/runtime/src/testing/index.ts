// For tests of every package, shared ones included: they cannot import @muster/testkit, which depends on them.
export { eventually } from './eventually.js';
export { FakeClock } from './fake-clock.js';
export { SmallDisk } from './small-disk.js';
export { TraceCollector, type CollectedSpan } from './trace-collector.js';
