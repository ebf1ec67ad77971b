import type { Paint, Style } from '../../terminal/table.js';
import { bytesText, countText, percentText } from '../../view/drawing.js';
import { beside, block, line, type Block } from '../../view/spans.js';
import type { Processes, ProcessOrder } from './endpoint-scene.js';
import type { HostReading } from './host-reading.js';

const GAP = 2;
/** Two lists of processes fit beside each other. */
const WIDE = 120;

/** Disks, interfaces and file systems beside each other, each with `height` lines under its header. */
export function partTables(reading: HostReading, width: number, height: number, style: Style): string[] {
  const each = Math.floor((width - 2 * GAP) / 3);
  const common = { height, bold: style.bold };
  const tables = [diskBlock(reading, style), interfaceBlock(reading, style), fileSystemBlock(reading, style)];
  return beside(
    tables.map((table, i) => block({ ...table(height), ...common, width: i < 2 ? each : width - 2 * (each + GAP) })),
    GAP,
  );
}

/** How many lines the tables would take to show everything. */
export function partRows({ disks, interfaces, fileSystems }: HostReading): number {
  return Math.max(disks.length, interfaces.length, fileSystems.length);
}

type Table = (height: number) => Pick<Block, 'columns' | 'rows'>;

function diskBlock({ disks }: HostReading, style: Style): Table {
  return (height) => ({
    columns: [{ head: 'DISK' }, right('R/s', 5), right('W/s', 5), right('BUSY', 4)],
    rows: fitting(disks, height, ({ readBytes = 0, writeBytes = 0 }) => readBytes + writeBytes).map(
      ({ name, readBytes, writeBytes, busy }) => ({
        cells: [name, bytesText(readBytes), bytesText(writeBytes), percentText(busy)],
        paint: warning(busy, style),
      }),
    ),
  });
}

function interfaceBlock({ interfaces }: HostReading, style: Style): Table {
  return (height) => ({
    columns: [{ head: 'NETWORK' }, right('RX/s', 5), right('TX/s', 5), right('ERR', 4)],
    rows: fitting(interfaces, height, ({ receiveBytes = 0, transmitBytes = 0 }) => receiveBytes + transmitBytes).map(
      ({ name, receiveBytes, transmitBytes, errors, drops }) => {
        const bad = errors === undefined && drops === undefined ? undefined : (errors ?? 0) + (drops ?? 0);
        return {
          cells: [name, bytesText(receiveBytes), bytesText(transmitBytes), countText(bad)],
          paint: bad !== undefined && bad > 0 ? style.yellow : undefined,
        };
      },
    ),
  });
}

function fileSystemBlock({ fileSystems }: HostReading, style: Style): Table {
  return (height) => ({
    columns: [{ head: 'MOUNT', keepEnd: true }, right('FREE', 5), right('SIZE', 5), right('USE%', 4)],
    rows: fitting(fileSystems, height, ({ share = 0 }) => share).map(({ name, free, limit, share }) => ({
      cells: [name, bytesText(free), bytesText(limit), percentText(share)],
      paint: warning(share, style),
    })),
  });
}

function right(head: string, width: number) {
  return { head, width, align: 'end' } as const;
}

/** In their own order where all have room, and else those with the most. */
function fitting<T>(all: readonly T[], height: number, amount: (one: T) => number): readonly T[] {
  return all.length <= height ? all : all.toSorted((a, b) => amount(b) - amount(a));
}

function warning(share: number | undefined, style: Style): Paint | undefined {
  if (share === undefined || share < 0.9) return undefined;
  return share >= 0.97 ? style.red : style.yellow;
}

/** The busiest processes; where there is room, the largest beside them. */
export function processTable(
  processes: Processes | undefined,
  { order, width, height, style }: { order: ProcessOrder; width: number; height: number; style: Style },
): string[] {
  if (processes === undefined) {
    const text = 'The busiest processes come with the next detailed sample.';
    return [line([{ text, paint: style.dim }], width), ...Array.from({ length: height }, () => '')];
  }
  if (width < WIDE) return processBlock(processes, { order, width, height, style });
  const half = Math.floor((width - GAP) / 2);
  const other = order === 'cpu' ? 'memory' : 'cpu';
  return beside(
    [order, other].map((one) => processBlock(processes, { order: one as ProcessOrder, width: half, height, style })),
    GAP,
  );
}

function processBlock(
  { byCpu, byMemory }: Processes,
  { order, width, height, style }: { order: ProcessOrder; width: number; height: number; style: Style },
): string[] {
  const mark = (one: ProcessOrder): string => (one === order ? '▼' : '');
  const rows = order === 'cpu' ? byCpu : byMemory;
  return block({
    columns: [
      right('PID', 7),
      { head: 'USER', width: 10 },
      right(`CPU%${mark('cpu')}`, 6),
      right(`RES${mark('memory')}`, 6),
      { head: 'PROCESS' },
    ],
    rows: rows.map(({ pid, user, cpu, residentBytes, name }) => ({
      cells: [String(pid), user, percentOfCore(cpu), bytesText(Math.max(residentBytes, 0)), name],
    })),
    width,
    height,
    bold: style.bold,
  });
}

/** As `top` has it: 100 is one processor. */
function percentOfCore(cpu: number): string {
  const percent = Math.max(cpu, 0) * 100;
  return Number.isFinite(percent) ? (percent < 999.95 ? percent.toFixed(1) : countText(percent)) : '-';
}
