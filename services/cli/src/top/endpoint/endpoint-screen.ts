import type { Paint, Style } from '../../terminal/table.js';
import { durationText, wallTime } from '../../terminal/time-text.js';
import type { ScreenSize } from '../../terminal/screen.js';
import { bytesText, chart, countText, levelColour, percentText, UNKNOWN } from '../../view/drawing.js';
import { line, spread, type Span } from '../../view/spans.js';
import type { EndpointChoices, EndpointScene } from './endpoint-scene.js';
import { HISTORY_MS, type HostHistory, type HistorySeries } from './host-history.js';
import type { HostReading } from './host-reading.js';
import { coreLines, fact, meterLines } from './meters.js';
import { partRows, partTables, processTable } from './part-tables.js';

const PROCESSES = 5;
const LEAST_PART_ROWS = 3;
const MOST_PART_ROWS = 16;
const CHARTS = 4;
const MOST_CHART_HEIGHT = 8;
/** Old samples must not look like new ones. */
const STALE_MS = 4_000;

/** The lines of the view of one endpoint, at most as many and as wide as the terminal. */
export function endpointLines(
  scene: EndpointScene,
  choices: EndpointChoices,
  size: ScreenSize,
  style: Style,
): string[] {
  const { columns: width } = size;
  const title = titleLine(scene, choices, width, style);
  const footer = footerLine(width, style);
  const room = Math.max(size.rows - 2, 0);
  const body = choices.showHelp
    ? helpLines(width, style)
    : scene.reading === undefined
      ? ['', line([{ text: waitingText(scene) }], width)]
      : bodyLines(scene, scene.reading, choices, { columns: width, rows: room }, style);
  const shown = body.slice(0, room);
  const blank = Array.from({ length: room - shown.length }, () => '');
  return [title, ...shown, ...blank, footer].slice(0, size.rows);
}

function titleLine(scene: EndpointScene, { isHeld }: EndpointChoices, width: number, style: Style): string {
  const { host, system, reading } = scene;
  const uptime = reading?.uptimeSeconds;
  const up = uptime === undefined ? '' : `  up ${durationText(Math.min(uptime, 1e10) * 1_000)}`;
  const held: Span[] = isHeld ? [{ text: ' held ', paint: style.inverse }, { text: '  ' }] : [];
  return spread(
    [
      { text: host, paint: style.bold },
      { text: `  ${system}${up}`, paint: style.dim },
    ],
    [...held, stateSpan(scene, style)],
    width,
  );
}

/** How much what is shown can be trusted. */
function stateSpan({ state, ageMs, reading }: EndpointScene, style: Style): Span {
  const age = ageMs === undefined || reading === undefined ? '' : `, last sample ${durationText(ageMs)} ago`;
  switch (state) {
    case 'connecting':
      return { text: 'connecting', paint: style.dim };
    case 'away':
      return { text: `away${age}`, paint: style.red };
    case 'lost':
      return { text: `connection lost, trying again${age}`, paint: style.red };
    case 'stalled':
      return { text: `the message broker does not answer${age}`, paint: style.red };
    case 'live':
      if (ageMs === undefined || ageMs < STALE_MS) return { text: 'live', paint: style.green };
      return { text: `last sample ${durationText(ageMs)} ago`, paint: style.yellow };
  }
}

function waitingText({ state, host }: EndpointScene): string {
  if (state === 'away') return `${host} is not connected. Its samples are shown as soon as it is.`;
  return state === 'live' ? 'Waiting for its first samples.' : 'Connecting.';
}

function bodyLines(
  scene: EndpointScene,
  reading: HostReading,
  { order, showCores }: EndpointChoices,
  { columns: width, rows }: ScreenSize,
  style: Style,
): string[] {
  const meters = meterLines(reading, width, style);
  const cores = showCores ? coreLines(reading.cores, width, Math.max(Math.floor(rows / 7), 1), style) : [];
  const facts = factsLine(reading, width, style);
  const gap = gapLine(scene.history, width, style);
  const processes = processTable(scene.processes, { order, width, height: PROCESSES, style });
  // What is there in any case; the rest of the lines is shared out.
  const fixed = meters.length + cores.length + gap.length + CHARTS + 1 + LEAST_PART_ROWS + PROCESSES + 1;
  let spare = rows - fixed;
  const take = (lines: number): number => {
    const taken = Math.max(Math.min(spare, lines), 0);
    spare -= taken;
    return taken;
  };
  const blanks = take(3);
  const withFacts = take(1) === 1;
  const extraRows = take(Math.min(partRows(reading), MOST_PART_ROWS) - LEAST_PART_ROWS);
  const chartHeight = 1 + Math.min(Math.floor(spare / CHARTS), MOST_CHART_HEIGHT - 1);
  const separator = (index: number): string[] => (blanks > index ? [''] : []);
  return [
    ...[...meters, ...cores, ...separator(0)],
    ...[...historyLines(scene.history, width, chartHeight, style), ...gap, ...separator(1)],
    ...partTables(reading, width, LEAST_PART_ROWS + extraRows, style),
    ...[...separator(2), ...processes],
    ...(withFacts ? [facts] : []),
  ];
}

const LABEL_WIDTH = 5;
const VALUE_WIDTH = 19;

function historyLines(history: HostHistory, width: number, height: number, style: Style): string[] {
  const chartWidth = Math.max(width - LABEL_WIDTH - VALUE_WIDTH, 10);
  const one = (label: string, series: HistorySeries, isShare: boolean): string[] => {
    const most = history.most(series);
    const columns = history.columns(series, chartWidth, isShare ? 1 : (most ?? 0));
    const drawn = chart(columns, { height, style, colour: (share) => (isShare ? levelColour(share) : 'cyan') });
    const text = isShare ? percentText : (bytes: number | undefined) => rateText(bytes);
    const value = [
      { text: ` ${text(history.last?.[series])}`.padEnd(8), paint: style.bold },
      { text: ` max ${text(most)}`, paint: style.dim },
    ];
    return drawn.map((row, i) => {
      const first = i === 0 ? style.cyan(label.padEnd(LABEL_WIDTH)) : ' '.repeat(LABEL_WIDTH);
      return first + row + (i === 0 ? line(value, VALUE_WIDTH) : '');
    });
  };
  return [
    ...[...one('CPU', 'cpu', true), ...one('Mem', 'memory', true)],
    ...[...one('Net', 'network', false), ...one('Disk', 'disk', false)],
  ];
}

function rateText(bytes: number | undefined): string {
  return bytes === undefined ? UNKNOWN : `${bytesText(bytes)}/s`;
}

/** The last gap that the lines above show. */
function gapLine(history: HostHistory, width: number, style: Style): string[] {
  const { gaps } = history;
  const last = gaps.at(-1);
  if (last === undefined) return [];
  const nowMs = history.last?.atMs ?? last.toMs;
  const time = (ms: number): string => wallTime(new Date(ms).toISOString(), nowMs);
  const span = `${time(last.fromMs)} to ${time(last.toMs)}`;
  const others = gaps.length === 1 ? '' : `, and ${gaps.length - 1} more`;
  const text = `${' '.repeat(LABEL_WIDTH)}no samples from ${span} (${durationText(last.toMs - last.fromMs)})${others}`;
  return [line([{ text, paint: style.yellow }], width)];
}

/** What has no table of its own. */
function factsLine(reading: HostReading, width: number, style: Style): string {
  const { connections, openFiles, temperatures, batteries, container, agent, omitted } = reading;
  const hottest = temperatures.reduce<number | undefined>(
    (most, { celsius }) => (celsius === undefined ? most : Math.max(most ?? celsius, celsius)),
    undefined,
  );
  const [battery] = batteries;
  const facts: Span[][] = [
    fact('TCP', `${countText(connections.established)} established, ${countText(connections.listen)} listen`, style),
    fact('Open files', countText(openFiles), style),
  ];
  if (hottest !== undefined) facts.push(fact('Hottest', `${countText(hottest)} °C`, style));
  if (battery?.charge !== undefined)
    facts.push(fact('Battery', percentText(battery.charge) + (battery.discharging === 1 ? ' and falling' : ''), style));
  if (container.memoryLimit !== undefined)
    facts.push(fact('Container', `${bytesText(container.memoryUsed)}/${bytesText(container.memoryLimit)}`, style));
  facts.push(fact('Agent', `${percentText(agent.cpu)}, ${bytesText(agent.memory)}`, style));
  if (omitted !== undefined && omitted > 0)
    facts.push([{ text: `${countText(omitted)} parts are beyond what a sample holds`, paint: style.yellow }]);
  return line(
    facts.flatMap((spans, i) => (i === 0 ? spans : [{ text: '   ' }, ...spans])),
    width,
  );
}

function footerLine(width: number, style: Style): string {
  const keys = [
    ['q', 'quit'],
    ['p', 'by CPU'],
    ['m', 'by memory'],
    ['1', 'cores'],
    ['space', 'hold'],
    ['?', 'help'],
  ];
  return line(
    keys.flatMap(([key = '', what = '']) => [
      { text: key, paint: style.bold },
      { text: ` ${what}   `, paint: style.dim },
    ]),
    width,
  );
}

function helpLines(width: number, style: Style): string[] {
  const mark = (mono: string): string => (style.hasColours ? '|' : mono);
  const legend = (paint: Paint, mono: string, text: string): Span[] => [
    { text: mark(mono), paint },
    { text: ` ${text}   ` },
  ];
  const help: Span[][] = [
    [{ text: '' }],
    [{ text: 'Keys', paint: style.bold }],
    ...[
      'q, Esc, F10, Ctrl-C   leave',
      'p, c                  processes by CPU (100 is one processor)',
      'm                     processes by memory',
      '1                     the bars of the cores, or none',
      'space                 hold what is shown; samples go on being kept',
      'Ctrl-L                draw again     Ctrl-Z   stop, `fg` goes on',
      '?, h, F1              this text; any key leaves it',
    ].map((text) => [{ text: `  ${text}` }]),
    [{ text: '' }],
    [{ text: 'Bars', paint: style.bold }],
    [
      { text: '  CPU  ' },
      ...legend(style.green, '|', 'user'),
      ...legend(style.red, '#', 'system'),
      ...legend(style.cyan, '*', 'steal'),
      ...legend(style.dim, '@', 'waits for disks'),
    ],
    [
      { text: '  Mem  ' },
      ...legend(style.green, '|', 'used'),
      ...legend(style.blue, '#', 'buffers'),
      ...legend(style.yellow, '*', 'cache'),
    ],
    [{ text: '' }],
    [{ text: 'Lines', paint: style.bold }],
    ...[
      `The last ${HISTORY_MS / 60_000} minutes, newest right. The top of CPU and Mem is 100%, that of Net`,
      'and Disk their most. Net is without loopback. · is where samples are missing.',
      'PSI (pressure): share of the time in which tasks waited for CPU, memory, disks',
    ].map((text) => [{ text: `  ${text}` }]),
  ];
  return help.map((spans) => line(spans, width));
}
