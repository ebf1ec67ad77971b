import type { Answer } from '@muster/api-client';
import { usageError } from '../../terminal/cli-error.js';
import { renderTable, type Style } from '../../terminal/table.js';
import { bytesText, loadText, percentText } from '../../view/drawing.js';

export type FleetTop = Answer<'GET /v1/fleet/top'>;
export type FleetRow = FleetTop['items'][number];
export type TopBy = FleetTop['by'];

interface FleetColumn {
  readonly by: TopBy;
  readonly head: string;
  /** Sorts by it, as a key. */
  readonly key: string;
  readonly text: (value: number | undefined) => string;
}

/** What the fleet can be sorted by, in the order of the columns. */
export const FLEET_COLUMNS: readonly FleetColumn[] = [
  { by: 'cpu', head: 'cpu', key: 'c', text: percentText },
  { by: 'memory', head: 'memory', key: 'm', text: percentText },
  { by: 'disk', head: 'disk', key: 'd', text: percentText },
  { by: 'load', head: 'load', key: 'l', text: loadText },
  { by: 'disk_io', head: 'disk/s', key: 'i', text: bytesText },
  { by: 'network', head: 'net/s', key: 'n', text: bytesText },
];

/** @throws CliError */
export function parseBy(text: string): TopBy {
  const found = FLEET_COLUMNS.find(({ by }) => by === text.replace('-', '_'));
  if (found === undefined)
    throw usageError(`--by must be one of ${FLEET_COLUMNS.map(({ by }) => by).join(', ')}, not "${text}"`);
  return found.by;
}

/** The table, as it is printed once. */
export function fleetTable(top: FleetTop, width: number | undefined, style: Style): string {
  const headers = [
    'host',
    'health',
    ...FLEET_COLUMNS.map(({ by, head }) => (by === top.by ? `${head} ▼` : head)),
    'age',
  ];
  const rows = top.items.map((row) => rowTexts(row));
  return renderTable({ headers, numeric: new Set([2, 3, 4, 5, 6, 7, 8]), width, style }, rows);
}

export function rowTexts({ agentId, host, vitals, ageMs, health }: FleetRow): string[] {
  return [
    host === '' ? agentId : host,
    // Of an endpoint that has always been well nothing is recorded.
    health?.state ?? 'ok',
    ...FLEET_COLUMNS.map(({ by, text }) => text(finite(vitals[by]))),
    ageText(ageMs),
  ];
}

/** `45 s`, `12 min`, `3 h`: the column is narrow. */
function ageText(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 1) return `${Math.round(ms / 1_000)} s`;
  return minutes < 99.5 ? `${Math.round(minutes)} min` : `${Math.round(minutes / 60)} h`;
}

function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** What the answer does not say; undefined when it says everything. */
export function missingText({ missing, of }: FleetTop['partitions']): string | undefined {
  if (missing.length === 0) return undefined;
  const share = Math.round((missing.length / of) * 100);
  return `about ${share}% of the endpoints may be missing: no service for ${missing.length} of ${of} partitions`;
}
