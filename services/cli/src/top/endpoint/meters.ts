import type { Paint, Style } from '../../terminal/table.js';
import {
  bar,
  bytesText,
  countText,
  levelColour,
  loadText,
  percentText,
  UNKNOWN,
  type Segment,
} from '../../view/drawing.js';
import { line, type Span } from '../../view/spans.js';
import { memoryShare } from './host-history.js';
import { ratio, type CpuShares, type HostReading } from './host-reading.js';

/** The bars of the whole machine, with load, tasks and pressure beside them: three lines. */
export function meterLines(reading: HostReading, width: number, style: Style): string[] {
  const barWidth = Math.max(Math.floor((width - 2) / 2) - 4, 12);
  const { cpu, cpuShares, memory, swap } = reading;
  const memoryText = `${bytesText(usedBytes(reading))}/${bytesText(memory.limit)}`;
  const meters: [label: string, segments: readonly Segment[], text: string][] = [
    ['CPU', cpuSegments(cpuShares, cpu), percentText(cpu ?? cpuShares?.busy)],
    ['Mem', memorySegments(reading), memoryText],
    [
      'Swp',
      [{ share: ratio(swap.used, swap.limit), colour: 'red' }],
      `${bytesText(swap.used)}/${bytesText(swap.limit)}`,
    ],
  ];
  const facts = [loadSpans(reading, style), taskSpans(reading, style), pressureSpans(reading, style)];
  return meters.map(([label, segments, text], i) => {
    const left = `${style.cyan(label)} ${bar(segments, text, barWidth, style)}`;
    return `${left}  ${line(facts[i] ?? [], width - barWidth - 6)}`;
  });
}

function cpuSegments(shares: CpuShares | Partial<CpuShares> | undefined, busy: number | undefined): Segment[] {
  if (shares?.busy === undefined) return [{ share: busy, colour: 'green' }];
  return [
    { share: shares.user, colour: 'green' },
    { share: shares.system, colour: 'red' },
    { share: shares.steal, colour: 'cyan' },
    { share: shares.iowait, colour: 'dim' },
  ];
}

/** What is in use, then buffers and cache, which the kernel gives back. */
function memorySegments(reading: HostReading): Segment[] {
  const { limit, used, buffers, cached } = reading.memory;
  if (used === undefined) return [{ share: memoryShare(reading), colour: 'green' }];
  return [
    { share: ratio(used, limit), colour: 'green' },
    { share: ratio(buffers, limit), colour: 'blue' },
    { share: ratio(cached, limit), colour: 'yellow' },
  ];
}

function usedBytes({ memory: { limit, used, available } }: HostReading): number | undefined {
  return used ?? (limit === undefined || available === undefined ? undefined : Math.max(limit - available, 0));
}

function loadSpans({ load, cpus }: HostReading, style: Style): Span[] {
  const text = load === undefined ? UNKNOWN : load.map(loadText).join(' ');
  const [first] = load ?? [];
  const isMuch = first !== undefined && cpus !== undefined && first > cpus;
  return [
    ...fact('Load', text, style, isMuch ? style.yellow : style.bold),
    { text: cpus === undefined ? '' : `   ${countText(cpus)} ${cpus === 1 ? 'core' : 'cores'}`, paint: style.dim },
  ];
}

function taskSpans({ processes: { total, running, blocked, threads } }: HostReading, style: Style): Span[] {
  const many = blocked !== undefined && blocked > 0 ? `, ${countText(blocked)} blocked` : '';
  return [
    ...fact('Tasks', countText(total), style),
    { text: `, ${countText(running)} running${many}, ${countText(threads)} threads`, paint: style.dim },
  ];
}

/** Pressure stall information: the share of the time in which some task waited. */
function pressureSpans({ pressure }: HostReading, style: Style): Span[] {
  const one = (name: string, share: number | undefined): Span[] => [
    { text: `  ${name} `, paint: style.dim },
    { text: percentText(share), paint: share === undefined ? style.dim : share > 0.1 ? style.yellow : style.bold },
  ];
  return [
    { text: 'PSI', paint: style.cyan },
    ...[...one('cpu', pressure.cpu), ...one('mem', pressure.memory), ...one('io', pressure.io)],
  ];
}

export function fact(name: string, value: string, style: Style, paint: Paint = style.bold): Span[] {
  return [
    { text: `${name} `, paint: style.cyan },
    { text: value, paint },
  ];
}

const CORE_WIDTH = 20;
const GAP = 2;

/** A bar for each core in at most `height` lines; where they do not fit, a column for each. */
export function coreLines(cores: HostReading['cores'], width: number, height: number, style: Style): string[] {
  if (cores.length === 0 || height <= 0) return [];
  const across = Math.max(Math.min(Math.floor((width + GAP) / CORE_WIDTH), cores.length), 1);
  const label = Math.max(...cores.map(({ name }) => Math.min(name.length, 4)));
  if (Math.ceil(cores.length / across) > height) return coreColumns(cores, width, height, style);
  const cellWidth = Math.floor((width + GAP) / across) - GAP;
  const lines: string[] = [];
  for (let from = 0; from < cores.length; from += across) {
    const cells = cores.slice(from, from + across).map((core) => {
      const drawn = bar(cpuSegments(core, undefined), percentText(core.busy), cellWidth - label - 1, style);
      return `${style.cyan(line([{ text: core.name.padStart(label) }], label))} ${drawn}`;
    });
    lines.push(cells.join(' '.repeat(GAP)));
  }
  return lines;
}

const RAMP = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One character for each core, in the order of their names; the busiest first where not all have room. */
function coreColumns(cores: HostReading['cores'], width: number, height: number, style: Style): string[] {
  const head = `${cores.length} cores `;
  const room = Math.max(width - head.length, 1);
  const isCut = cores.length > room * height;
  const sorted = isCut ? cores.toSorted((a, b) => (b.busy ?? 0) - (a.busy ?? 0)) : cores;
  const shown = sorted.slice(0, room * height);
  return Array.from({ length: Math.ceil(shown.length / room) }, (_, row) => {
    const drawn = shown
      .slice(row * room, (row + 1) * room)
      .map(({ busy }) =>
        busy === undefined ? '·' : style[levelColour(busy)](RAMP[Math.round(busy * (RAMP.length - 1))] ?? ' '),
      );
    return (row === 0 ? style.cyan(head) : ' '.repeat(head.length)) + drawn.join('');
  });
}
