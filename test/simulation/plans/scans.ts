import type { Random } from '../world/random.js';
import type { Fault, Plan, SchedulePlan } from './plan.js';

const STOPS = ['kill', 'kill', 'cut', 'freeze', 'stall'] as const;
const MOMENTS = [
  'schedule sent',
  'schedule kept',
  'schedule kept',
  'query sent',
  'query kept',
  'scan sent',
  'scan kept',
];

/**
 * Posture services, and schedules whose first moments come when other things happen too; what strikes the services
 * then. In some histories.
 */
export function scans(random: Random, settledMs: number): Pick<Plan, 'postures' | 'schedules' | 'faults'> {
  if (random.chance(0.7)) return { postures: 0, schedules: [], faults: [] };
  const postures = 1 + random.int(2);
  const schedules = Array.from({ length: 1 + random.int(2) }, (): SchedulePlan => ({
    atMs: settledMs + random.int(12_000),
    timeoutMs: random.pick([2_000, 4_000, 8_000]) + random.int(1_000),
    detail: random.pick(['checks', 'endpoints'] as const),
  }));
  const faults = Array.from({ length: random.int(4) }, (): Fault => {
    const kind = random.pick(STOPS);
    const forMs = Math.round(random.pick([200, 2_000, 12_000, 25_000]) * random.between(0.5, 1.5));
    const way = random.pick(['in', 'out', 'both'] as const);
    if (random.chance(0.6)) {
      const when = {
        moment: random.pick(MOMENTS),
        nth: 1 + random.int(3),
        afterMs: random.pick([0, 1, 30]) * random.unit(),
      };
      return { kind, target: 'self', when, forMs, way };
    }
    const atMs = Math.max(
      settledMs,
      random.pick(schedules).atMs + random.pick([100, 1_500, 6_000]) * random.between(-1, 1),
    );
    return { kind, target: `posture-${1 + random.int(postures)}`, when: { atMs }, forMs, way };
  });
  return { postures, schedules, faults };
}
