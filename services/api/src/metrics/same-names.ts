import type { Shape } from '@muster/host-metrics';

/** Whether the values of samples of both are those of the same series. */
export function hasSameNames(one: Shape, other: Shape): boolean {
  return one.length === other.length && JSON.stringify(one.names) === JSON.stringify(other.names);
}
