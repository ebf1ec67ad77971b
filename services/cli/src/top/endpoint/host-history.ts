import type { Column } from '../../view/drawing.js';
import { plusKnown, ratio, type HostReading, type HostTraffic } from './host-reading.js';

/** What the history lines show of one sample. */
export interface HistoryPoint {
  readonly atMs: number;
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  /** Bytes a second, both directions. */
  readonly network: number | undefined;
  readonly disk: number | undefined;
  /** Of which these. */
  readonly receive: number | undefined;
  readonly transmit: number | undefined;
  readonly read: number | undefined;
  readonly write: number | undefined;
}

export type HistorySeries = Exclude<keyof HistoryPoint, 'atMs'>;

/** How far the lines reach back: as far as endpoints keep one sample a second. */
export const HISTORY_MS = 600_000;
/** Samples further apart have a gap between them, as the API has it. */
export const GAP_MS = 10_000;
/** Should an endpoint send more than one a second. */
const MAX_POINTS = 1_200;

export function historyPoint(atMs: number, reading: HostTraffic): HistoryPoint {
  const { cpu, disks, interfaces } = reading;
  // Loopback is not the network.
  const outside = interfaces.filter(({ name }) => name !== 'lo');
  const sum = (values: (number | undefined)[]): number | undefined => values.reduce(plusKnown, undefined);
  const receive = sum(outside.map((one) => one.receiveBytes));
  const transmit = sum(outside.map((one) => one.transmitBytes));
  const read = sum(disks.map((one) => one.readBytes));
  const write = sum(disks.map((one) => one.writeBytes));
  return {
    atMs,
    cpu,
    memory: memoryShare(reading),
    ...{ network: sum([receive, transmit]), disk: sum([read, write]) },
    ...{ receive, transmit, read, write },
  };
}

/** What programs cannot have any more; where the endpoint does not know, what is in use. */
export function memoryShare({ memory: { limit, available, used } }: Pick<HostReading, 'memory'>): number | undefined {
  if (limit === undefined || available === undefined) return ratio(used, limit);
  return ratio(Math.max(limit - available, 0), limit);
}

/** The points of the last ten minutes, by the endpoint's clock. */
export class HostHistory {
  #points: HistoryPoint[] = [];

  add(point: HistoryPoint): void {
    // A clock that was set back starts the lines anew: two pasts cannot be drawn on one line.
    if (point.atMs <= (this.#points.at(-1)?.atMs ?? -Infinity)) this.#points = [];
    this.#points.push(point);
    const oldestMs = point.atMs - HISTORY_MS;
    const first = this.#points.findIndex(({ atMs }) => atMs > oldestMs);
    this.#points.splice(0, Math.max(first, this.#points.length - MAX_POINTS));
  }

  /** What it is now, and stays. */
  copy(): HostHistory {
    const copy = new HostHistory();
    copy.#points = [...this.#points];
    return copy;
  }

  get last(): HistoryPoint | undefined {
    return this.#points.at(-1);
  }

  /** Where samples are missing, oldest first. */
  get gaps(): readonly { readonly fromMs: number; readonly toMs: number }[] {
    return this.#points.flatMap(({ atMs }, i) => {
      const fromMs = this.#points[i - 1]?.atMs ?? atMs;
      return atMs - fromMs > GAP_MS ? [{ fromMs, toMs: atMs }] : [];
    });
  }

  /** The largest value; undefined when none is known. */
  most(series: HistorySeries): number | undefined {
    return this.#points.reduce<number | undefined>((most, { [series]: value }) => {
      return value === undefined ? most : Math.max(most ?? 0, value);
    }, undefined);
  }

  /** The means of equal spans of time, the newest last, each divided by `top`. */
  columns(series: HistorySeries, width: number, top: number): Column[] {
    const last = this.last;
    if (last === undefined || width <= 0) return Array.from({ length: Math.max(width, 0) }, () => undefined);
    // Spans begin at fixed times, so that columns do not change as the line moves.
    const spanMs = Math.ceil(HISTORY_MS / width);
    const newest = Math.floor(last.atMs / spanMs);
    const at = (atMs: number): number => Math.floor(atMs / spanMs) - newest + width - 1;
    const sums = Array.from({ length: width }, () => ({ sum: 0, count: 0, isGap: false }));
    let before: HistoryPoint | undefined;
    for (const point of this.#points) {
      const value = point[series];
      const isGap = before !== undefined && point.atMs - before.atMs > GAP_MS;
      // Between samples that belong together every column has the value of the later one.
      for (let i = before === undefined ? at(point.atMs) : at(before.atMs) + 1; i <= at(point.atMs); i += 1) {
        const column = sums[i];
        if (column === undefined) continue;
        if (isGap && i < at(point.atMs)) column.isGap = true;
        else if (value !== undefined && i < at(point.atMs)) Object.assign(column, { sum: value, count: 1 });
      }
      const column = sums[at(point.atMs)];
      if (column !== undefined && value !== undefined) {
        column.sum += value;
        column.count += 1;
      }
      before = point;
    }
    return sums.map(({ sum, count, isGap }) =>
      count > 0 ? (top > 0 ? sum / count / top : 0) : isGap ? 'gap' : undefined,
    );
  }
}
