import { bigint, EVERY_PLATFORM, table, text } from './column.js';
import type { TableSpec } from './table-spec.js';

/** Tables about the agent itself. */
export const AGENT_TABLES: readonly TableSpec[] = [
  table(
    'agent_traffic',
    'Bytes that the running agent has exchanged with gateways, counted at its TCP sockets: a row for each channel and purpose that there was',
    EVERY_PLATFORM,
    [
      text('channel', 'live, poll or enrol'),
      text(
        'purpose',
        'session, heartbeat, query or command: frames, with what WebSocket or a batch puts before them; transport: all the rest, which is TLS, HTTP and the proxy',
      ),
      bigint('bytes_in', 'Bytes received'),
      bigint('bytes_out', 'Bytes sent'),
      bigint('seconds', 'For how long there was a session over the channel; the same in each of its rows'),
      bigint('connections', 'TCP connections that were opened for the channel; the same in each of its rows'),
      bigint('since', 'When the counting began, in milliseconds since 1970: the start of the agent'),
    ],
  ),
];
