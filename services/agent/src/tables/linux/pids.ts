import type { CollectRequest } from '@muster/tables';
import type { System } from '../contract/system.js';

/** Process ids that the statement names, or all. */
export function pidsOf(system: System, request: CollectRequest): number[] {
  const wanted = request.equal('pid');
  if (wanted === undefined) return allPids(system);
  const pids = new Set(wanted);
  // No process has two ids.
  if (pids.size > 1) return [];
  return [...pids].map(Number).filter((pid) => Number.isInteger(pid) && pid > 0 && system.exists(`/proc/${pid}`));
}

export function allPids(system: System): number[] {
  return system
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((left, right) => left - right);
}
