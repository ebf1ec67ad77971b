import { describe, expect, it } from '@jest/globals';
import { SocketAccounting } from './socket-accounting.js';
import { parseSocketLine, type SocketLine } from './ss-line.js';

const MINUTE_MS = 60_000;
const socket = (key: string, bytesIn: number, bytesOut = 0): SocketLine => ({ state: 'ESTAB', key, bytesIn, bytesOut });

/** A look that begins and ends at once. */
function look(accounting: SocketAccounting, atMs: number, ...sockets: SocketLine[]): void {
  accounting.lookBegins();
  accounting.looked(sockets, atMs);
}

describe('the sum over all sockets', () => {
  it('takes the last look at those that are open, not the sum of looks', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10, 1), socket('b', 5));
    look(accounting, 1, socket('a', 30, 2), socket('b', 5));
    expect(accounting.bytes()).toEqual({ bytesIn: 35, bytesOut: 2 });
  });

  it('takes the report of an end in place of earlier looks', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10));
    accounting.ended(socket('a', 25));
    expect(accounting.bytes().bytesIn).toBe(25);
    look(accounting, 1);
    look(accounting, 2 * MINUTE_MS);
    expect([accounting.bytes().bytesIn, accounting.missed]).toEqual([25, 0]);
  });

  it('counts a socket that begins and ends between two looks', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0);
    accounting.ended(socket('a', 7, 8));
    look(accounting, 1);
    expect(accounting.bytes()).toEqual({ bytesIn: 7, bytesOut: 8 });
  });

  it('does not count one twice that ends while a look at it is under way', () => {
    const accounting = new SocketAccounting();
    accounting.lookBegins();
    accounting.ended(socket('a', 25));
    accounting.looked([socket('a', 20), socket('b', 1)], 0);
    expect(accounting.bytes().bytesIn).toBe(26);
  });

  it('counts the next connection between the same ends beside the former', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10));
    accounting.ended(socket('a', 10));
    look(accounting, 1, socket('a', 3));
    expect(accounting.bytes().bytesIn).toBe(13);
  });

  it('waits for a late report before it takes the last look, and counts the end as missed', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10), socket('b', 20));
    look(accounting, 1);
    expect([accounting.bytes().bytesIn, accounting.missed]).toEqual([30, 0]);
    accounting.ended(socket('a', 11));
    look(accounting, MINUTE_MS + 1);
    expect([accounting.bytes().bytesIn, accounting.missed]).toEqual([31, 1]);
    look(accounting, 9 * MINUTE_MS);
    expect([accounting.bytes().bytesIn, accounting.missed]).toEqual([31, 1]);
  });

  it('keeps a socket whose end was not reported when its addresses are used again', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10));
    look(accounting, 1);
    look(accounting, 2, socket('a', 4));
    expect([accounting.bytes().bytesIn, accounting.missed]).toEqual([14, 1]);
  });

  it('goes on after a look that failed', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10));
    accounting.lookBegins();
    accounting.lookFailed();
    accounting.ended(socket('a', 12));
    look(accounting, 1, socket('a', 1));
    expect(accounting.bytes().bytesIn).toBe(13);
  });

  it('never decreases', () => {
    const accounting = new SocketAccounting();
    look(accounting, 0, socket('a', 10));
    expect(accounting.bytes().bytesIn).toBe(10);
    accounting.ended(socket('a', 9));
    expect(accounting.bytes().bytesIn).toBe(10);
    look(accounting, 1, socket('b', 5));
    expect(accounting.bytes().bytesIn).toBe(14);
  });
});

describe('a line of ss', () => {
  const line = (state: string, info: string): string =>
    `${state}  0      0      [::ffff:127.0.0.1]:8443   [::ffff:10.0.0.7]:51046 bbr wscale:10,10 rto:204 ${info} segs_out:3`;

  it.each([
    ['of an open socket', 'ESTAB', 'bytes_sent:1000 bytes_acked:1000 bytes_received:300', 300, 1_000],
    ['that has sent nothing yet', 'ESTAB', 'bytes_received:300', 300, 0],
    ['with retransmissions', 'ESTAB', 'bytes_sent:1500 bytes_retrans:500 bytes_acked:900 bytes_received:1', 1, 1_000],
    ['whose peer has ended', 'CLOSE-WAIT', 'bytes_sent:10 bytes_acked:10 bytes_received:301', 300, 10],
    ['that ended in order', 'UNCONN', 'bytes_sent:1000 bytes_acked:1001 bytes_received:301', 300, 1_000],
    ['that was reset', 'UNCONN', 'bytes_sent:1000 bytes_acked:1000 bytes_received:300', 300, 1_000],
    [
      'that ended in order after a retransmission',
      'UNCONN',
      'bytes_sent:30 bytes_retrans:10 bytes_acked:21 bytes_received:5',
      4,
      20,
    ],
    ['of a connection without a byte', 'UNCONN', 'bytes_acked:1 bytes_received:1', 0, 0],
  ])('%s', (_what, state, info, bytesIn, bytesOut) => {
    expect(parseSocketLine(line(state, info))).toEqual({
      state,
      key: '[::ffff:127.0.0.1]:8443 [::ffff:10.0.0.7]:51046',
      bytesIn,
      bytesOut,
    });
  });

  it.each(['', 'State Recv-Q Send-Q', 'TCP: time wait'])('%j is none', (text) => {
    expect(parseSocketLine(text)).toBeUndefined();
  });
});
