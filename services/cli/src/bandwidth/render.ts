import { shortTime } from '../terminal/time-text.js';
import type {
  BytesJson,
  ChannelBandwidthJson,
  EndpointsBandwidthJson,
  FleetBandwidthJson,
  Purpose,
} from '@muster/api-contract';
import { counted, numberText } from '../terminal/listing.js';
import { renderTable, type Style } from '../terminal/table.js';
import type { Units } from './units.js';

/** The channels of endpoints together; `pollToLive` is known only of what endpoints counted. */
type Channels = Pick<FleetBandwidthJson['fleet'], 'live' | 'poll'> & {
  readonly pollToLive?: number | null;
};

const PURPOSES = [
  'session',
  'heartbeat',
  'query',
  'command',
  'metrics',
  'transport',
] as const satisfies readonly Purpose[];

export interface RenderOptions {
  readonly style: Style;
  readonly width: number | undefined;
  readonly units: Units;
}

/** What endpoints counted, all together, and the gateways' counters. */
export function renderFleet({ endpoints, fleet, gateways }: FleetBandwidthJson, options: RenderOptions): string {
  const nobody = endpoints === undefined || endpoints.total.endpoints === 0;
  const first = nobody ? '' : `${options.style.bold(AT_SOCKETS)}\n${renderChannels(endpoints.total, options)}\n`;
  return `${first}${options.style.bold('Gateways, frames only')}\n${renderGateways({ fleet, gateways }, options)}`;
}

const AT_SOCKETS = 'Endpoints, at their sockets: frames, WebSocket, HTTP, TLS';

function renderGateways(
  { fleet, gateways }: Pick<FleetBandwidthJson, 'fleet' | 'gateways'>,
  options: RenderOptions,
): string {
  const { sockets, enrol } = fleet;
  const { style, units } = options;
  const lines: string[] = [];
  const { asked, answered, inDoubt } = fleet.gateways;
  if (sockets.measured === 'frames') {
    lines.push(
      style.dim('Frames only: the gateways cannot see the bytes of their sockets (docs/operations.md says why).'),
    );
  } else {
    const whose = sockets.measured === 'partly' ? 'Sockets of some of the gateways' : 'Sockets';
    lines.push(`${whose}: ${upDown(sockets, units)}, with TLS, HTTP and everything else on the port of agents.`);
    if (sockets.missed > 0)
      lines.push(
        style.yellow(
          `The end of a connection was missed ${counted(sockets.missed, 'time')}: these are a little too low.`,
        ),
      );
  }
  lines.push(`Enrolments: ${upDown(enrol, units)}.`);
  const silent = gateways.filter(({ state }) => state !== 'answered');
  lines.push(
    silent.length === 0
      ? style.dim(`${counted(asked, 'gateway')}, since each of them started.`)
      : style.red(
          `${answered} of ${counted(asked, 'gateway')} answered; not ${silent.map(({ id }) => id).join(', ')}.`,
        ),
  );
  if (inDoubt === true) {
    lines.push(
      style.yellow('There may be more gateways: Redis or NATS was away a moment ago. Ask again in 15 seconds.'),
    );
  }
  return `${renderChannels(fleet, options)}\n${lines.join('\n')}\n`;
}

/** What endpoints counted: all together, then those with the most bytes. */
export function renderEndpoints({ total, endpoints }: EndpointsBandwidthJson, options: RenderOptions): string {
  if (total.endpoints === 0) return '';
  const { units } = options;
  const rate = (channel: Pick<ChannelBandwidthJson, 'bytesPerHour'> | undefined): string =>
    perHour(channel?.bytesPerHour ?? null, units);
  const rows = endpoints.map(({ num, host, bytes, since, live, poll, pollToLive }) => [
    host ?? `#${num}`,
    rate(live),
    rate(poll),
    ratioText(pollToLive ?? null),
    units.bytes(bytes),
    shortTime(since),
  ]);
  const headers = ['host', 'live/h', 'poll/h', 'poll/live', 'bytes', 'since'];
  const most = renderTable({ ...options, headers, numeric: new Set([1, 2, 3, 4]) }, rows);
  const of = total.endpoints > endpoints.length ? ` (${endpoints.length} of ${numberText(total.endpoints)})` : '';
  return `${options.style.bold(AT_SOCKETS)}\n${renderChannels(total, options)}\nThe most bytes${of}:\n${most}`;
}

/** Live against Poll: one endpoint, one hour, by purpose. */
function renderChannels({ live, poll, pollToLive }: Channels, { style, width, units }: RenderOptions): string {
  const row = (name: string, read: (channel: Channels['live']) => string, third = ''): string[] => [
    name,
    read(live),
    read(poll),
    third,
  ];
  const ratio = pollToLive === undefined ? '' : ratioText(pollToLive);
  const used = PURPOSES.filter((purpose) => live.purposes[purpose] ?? poll.purposes[purpose]);
  const rows = [
    row('endpoints', ({ endpoints }) => numberText(endpoints)),
    row('hours of sessions', ({ seconds }) => units.hours(seconds)),
    row('up', ({ bytesUp }) => units.bytes(bytesUp)),
    row('down', ({ bytesDown }) => units.bytes(bytesDown)),
    row('per hour and endpoint', ({ bytesPerHour }) => perHour(bytesPerHour, units), ratio),
    ...used.map((purpose) =>
      row(`  ${purpose}`, ({ seconds, purposes }) => {
        const { bytesUp = 0, bytesDown = 0 } = purposes[purpose] ?? {};
        return perHour(seconds === 0 ? null : ((bytesUp + bytesDown) / seconds) * 3_600, units);
      }),
    ),
  ];
  const headers = ['', 'live', 'poll', pollToLive === undefined ? '' : 'poll/live'];
  return renderTable({ headers, numeric: new Set([1, 2, 3]), width, style }, rows);
}

function perHour(bytes: number | null, units: Units): string {
  return bytes === null ? '-' : units.bytes(bytes);
}

/** `52.9×`; `-` while one of the two is not known. */
function ratioText(ratio: number | null): string {
  return ratio === null ? '-' : `${numberText(ratio)}×`;
}

function upDown({ bytesUp, bytesDown }: BytesJson, units: Units): string {
  return `${units.bytes(bytesUp)} up, ${units.bytes(bytesDown)} down`;
}
