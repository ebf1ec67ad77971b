import { numberText } from '../../terminal/listing.js';
import type { ScreenSize } from '../../terminal/screen.js';
import type { Paint, Style } from '../../terminal/table.js';
import { durationText } from '../../terminal/time-text.js';
import { block, line, spread, type Span } from '../../view/spans.js';
import { FLEET_COLUMNS, missingText, rowTexts, type FleetRow, type FleetTop, type TopBy } from './fleet-top.js';

export interface FleetScene {
  readonly top: FleetTop | undefined;
  /** What was asked for last; the answer may still be on its way. */
  readonly by: TopBy;
  readonly selector: string;
  readonly selected: number;
  /** Why the last answer did not come. */
  readonly fault: string | undefined;
  /** How old the last answer is. */
  readonly ageMs: number | undefined;
  readonly showHelp: boolean;
}

/** The lines of the view of the fleet, at most as many and as wide as the terminal. */
export function fleetLines(scene: FleetScene, { columns: width, rows }: ScreenSize, style: Style): string[] {
  const { top, showHelp } = scene;
  const room = Math.max(rows - 2, 0);
  const body = showHelp
    ? helpLines(width, style)
    : top === undefined
      ? ['', 'Asking.']
      : tableLines(scene, top, width, room, style);
  const blank = Array.from({ length: Math.max(room - body.length, 0) }, () => '');
  return [titleLine(scene, width, style), ...body.slice(0, room), ...blank, footerLine(width, style)].slice(0, rows);
}

function titleLine({ top, selector, fault, ageMs }: FleetScene, width: number, style: Style): string {
  const count = top === undefined ? '' : `  ${numberText(top.endpoints)} endpoint${top.endpoints === 1 ? '' : 's'}`;
  const target = selector === '' ? '' : `  ${selector}`;
  const age = ageMs === undefined ? '' : `${durationText(ageMs)} ago`;
  const right: Span =
    fault === undefined
      ? { text: top === undefined ? 'connecting' : age, paint: style.dim }
      : { text: `${fault}, as of ${age}`, paint: style.red };
  return spread(
    [
      { text: 'Fleet', paint: style.bold },
      { text: `${count}${target}`, paint: style.dim },
    ],
    [right],
    width,
  );
}

/**
 * The columns after host and health, beginning with those that matter most: what has no room is left out, but never
 * what it is sorted by.
 */
const VALUE_WIDTH = 7;
const HEALTH_WIDTH = 8;
const AGE_WIDTH = 6;
const LEAST_HOST_WIDTH = 20;

function tableLines(scene: FleetScene, top: FleetTop, width: number, height: number, style: Style): string[] {
  const missing = missingText(top.partitions);
  const note = missing === undefined ? [] : [line([{ text: missing, paint: style.yellow }], width)];
  const { by } = scene;
  const fits = Math.max(Math.floor((width - LEAST_HOST_WIDTH - HEALTH_WIDTH - AGE_WIDTH - 2) / (VALUE_WIDTH + 1)), 1);
  const others = FLEET_COLUMNS.filter((column) => column.by !== by).slice(0, fits - 1);
  const shown = FLEET_COLUMNS.filter((column) => column.by === by || others.includes(column));
  const positions = [0, 1, ...shown.map((column) => FLEET_COLUMNS.indexOf(column) + 2), FLEET_COLUMNS.length + 2];
  const rows = Math.max(height - 1 - note.length, 0);
  if (top.items.length === 0) return [...note, '', line([{ text: nothingText(top) }], width)];
  return [
    ...note,
    ...block({
      columns: [
        { head: 'HOST' },
        { head: 'HEALTH', width: HEALTH_WIDTH },
        ...shown.map((column) => ({
          head: `${column.head.toUpperCase()}${column.by === by ? '▼' : ''}`,
          width: VALUE_WIDTH,
          align: 'end' as const,
        })),
        { head: 'AGE', width: AGE_WIDTH, align: 'end' as const },
      ],
      rows: top.items.slice(0, rows).map((row, i) => {
        const isSelected = i === scene.selected;
        const [host = '', ...others] = rowTexts(row);
        // Without colours the line is marked instead.
        const texts = [isSelected && !style.hasColours ? `> ${host}` : host, ...others];
        return { cells: positions.map((at) => texts[at] ?? ''), paint: paintOf(row, isSelected, style) };
      }),
      width,
      height: rows,
      bold: style.bold,
    }),
  ];
}

function nothingText({ endpoints, by }: FleetTop): string {
  return endpoints === 0 ? 'No endpoint matches.' : `None of the ${numberText(endpoints)} endpoints tells its ${by}.`;
}

function paintOf({ health }: FleetRow, isSelected: boolean, style: Style): Paint | undefined {
  if (isSelected && style.hasColours) return style.inverse;
  if (health?.state === 'critical') return style.red;
  return health?.state === 'warning' ? style.yellow : undefined;
}

function footerLine(width: number, style: Style): string {
  const keys: (readonly [string, string])[] = [
    ['q', 'quit'],
    ['?', 'help'],
    ['Enter', 'open'],
    ...FLEET_COLUMNS.map(({ key, head }) => [key, head] as const),
  ];
  return line(
    keys.flatMap(([key, what]) => [
      { text: key, paint: style.bold },
      { text: ` ${what}  `, paint: style.dim },
    ]),
    width,
  );
}

function helpLines(width: number, style: Style): string[] {
  return [
    '',
    style.bold('Keys'),
    ...[
      'q, Esc, F10, Ctrl-C   leave',
      'up, down, k, j        choose an endpoint     Enter   see it live',
      '<, >, left, right     sort by the next column',
      ...FLEET_COLUMNS.map(({ key, by }) => `${key}                     sort by ${by}`),
      'r, space              ask again now',
      '?, h, F1              this text; any key leaves it',
    ].map((text) => `  ${text}`),
    '',
    style.bold('Columns'),
    ...[
      'CPU, MEMORY: share in use. DISK: of the fullest file system.',
      'LOAD: of one minute, per processor. DISK/s, NET/s: bytes a second, both ways.',
      'AGE: of the sample; endpoints send one a minute while nobody watches them.',
    ].map((text) => `  ${text}`),
  ].map((text) => (text.includes('\u001b') ? text : line([{ text }], width)));
}
