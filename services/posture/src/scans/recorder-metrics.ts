import type { Counter, Metrics } from '@muster/runtime';

export interface RecorderMetrics {
  readonly scans: Counter<'state'>;
}

export function recorderMetrics(metrics: Metrics): RecorderMetrics {
  return {
    scans: metrics.counter({
      name: 'muster_posture_scans_total',
      help: 'Scans whose outcomes this process has kept, by how their query ended.',
      labels: ['state'],
      initial: [{ state: 'complete' }, { state: 'cancelled' }, { state: 'interrupted' }],
    }),
  };
}
