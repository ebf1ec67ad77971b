import { decodeRow, forEachRow, type SqlValue } from '@muster/protocol';
import { readAnswerBlock } from '@muster/records';
import { PURPOSES, type Purpose } from '@muster/api-contract';
import { ChannelSum, pollToLive, type UpAndDown } from './channel-sum.js';

const CHANNELS = ['live', 'poll', 'enrol'] as const;
type Channel = (typeof CHANNELS)[number];

/** The query that every endpoint answers. {@link TrafficAggregator} reads the columns in this order. */
export const TRAFFIC_SQL =
  'SELECT channel, purpose, bytes_in, bytes_out, seconds, connections, since FROM agent_traffic';
const COLUMNS = 7;

/** What one endpoint has counted at its own sockets since it started. */
export class EndpointTraffic {
  readonly num: number;
  readonly channels = new Map<Channel, ChannelSum>();
  readonly connections = new Map<Channel, number>();
  sinceMs = 0;

  constructor(num: number) {
    this.num = num;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { total } of this.channels.values()) bytes += total.bytesUp + total.bytesDown;
    return bytes;
  }
}

/** Adds up the answers of endpoints. A later answer of an endpoint replaces the earlier one. */
export class TrafficAggregator {
  readonly #endpoints = new Map<number, EndpointTraffic>();

  /** Takes an answer block of {@link TRAFFIC_SQL}. Rows with unknown channels or purposes are ignored. */
  take(answers: Uint8Array): void {
    for (const { num, rows } of readAnswerBlock(answers)) {
      const endpoint = new EndpointTraffic(num);
      forEachRow(rows, COLUMNS, (start, end) => addRow(endpoint, decodeRow(rows.subarray(start, end))));
      this.#endpoints.set(num, endpoint);
    }
  }

  /** The endpoints with the most bytes, in descending order. */
  top(count: number): EndpointTraffic[] {
    return [...this.#endpoints.values()].toSorted((a, b) => b.bytes - a.bytes || a.num - b.num).slice(0, count);
  }

  get size(): number {
    return this.#endpoints.size;
  }

  /** All endpoints together. */
  total() {
    const [live, poll, enrol] = CHANNELS.map((channel) => this.#sumOf(channel)) as [Summed, Summed, Summed];
    return {
      endpoints: this.size,
      live: live.json,
      poll: poll.json,
      enrol: enrol.sum.total,
      pollToLive: pollToLive(live.sum, poll.sum),
    };
  }

  #sumOf(channel: Channel): Summed {
    const sum = new ChannelSum();
    let endpoints = 0;
    for (const { channels } of this.#endpoints.values()) {
      const one = channels.get(channel);
      if (one === undefined) continue;
      endpoints += 1;
      sum.addAll(one);
    }
    return { sum, json: { endpoints, ...sum.json() } };
  }
}

interface Summed {
  readonly sum: ChannelSum;
  readonly json: ReturnType<ChannelSum['json']> & { readonly endpoints: number };
}

function addRow(endpoint: EndpointTraffic, values: readonly SqlValue[]): void {
  const [channel, purpose, bytesIn, bytesOut, seconds, connections, since] = values;
  if (!isOneOf(CHANNELS, channel) || !isOneOf(PURPOSES, purpose)) return;
  const sum = endpoint.channels.get(channel) ?? new ChannelSum();
  endpoint.channels.set(channel, sum);
  const bytes: UpAndDown = { bytesUp: countOf(bytesOut), bytesDown: countOf(bytesIn) };
  sum.add(purpose satisfies Purpose, bytes);
  // Equal in every row of the channel.
  sum.seconds = Math.max(sum.seconds, countOf(seconds));
  endpoint.connections.set(channel, countOf(connections));
  endpoint.sinceMs = countOf(since, LATEST_MS);
}

function isOneOf<const T extends string>(known: readonly T[], value: SqlValue | undefined): value is T {
  return (known as readonly unknown[]).includes(value);
}

/** The largest count that is believed; sums over a whole fleet stay exact integers below it. */
const MOST = 2 ** 38;
/** The last moment that a date can have (ECMA-262 §21.4.1.1). */
const LATEST_MS = 8.64e15;

/** 0 for values that are no plausible count: endpoints can answer anything. */
function countOf(value: SqlValue | undefined, most = MOST): number {
  const count = typeof value === 'bigint' ? Number(value) : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 && count <= most ? count : 0;
}
