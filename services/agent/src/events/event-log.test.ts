import { describe, expect, test } from '@jest/globals';
import { EventLog } from './event-log.js';
import { type EventRecord, parseRecords } from './contract/recorded-events.js';
import { ProcessRecords } from './process-records.js';
import { RecentLosses } from './recent-losses.js';
import { SocketRecords } from './socket-records.js';
import { KeptRecords } from '../testing/kept-records.js';

const exec = (n: number, at: number, path = '/bin/x'): EventRecord => ({ t: 'exec', n, at, pid: n, path });

describe('the log of events', () => {
  test('keeps the newest within its bytes, and counts what goes before its time', () => {
    const log = new EventLog({ keep: 1_000_000, maxBytes: 256 * 1024 });
    let evicted = 0;
    for (let n = 1; n <= 10_000; n += 1) {
      evicted += log.append(exec(n, n, `/bin/${'x'.repeat(100)}`), n);
      expect(log.bytes).toBeLessThanOrEqual(256 * 1024);
    }
    const kept = parseRecords(log.chunks(10_000));
    expect(kept.length).toBeGreaterThan(1_000);
    expect(kept.length + evicted).toBe(10_000);
    expect(kept[0]).toMatchObject({ n: evicted + 1 });
    expect(kept.at(-1)).toMatchObject({ n: 10_000 });
  });

  test('lets go what is older than its time, which is nothing that is missing', () => {
    const log = new EventLog({ keep: 1_000, maxBytes: 256 * 1024 });
    let evicted = 0;
    for (let n = 1; n <= 20_000; n += 1) evicted += log.append(exec(n, n), n);
    expect(evicted).toBe(0);
    const kept = parseRecords(log.chunks(20_000));
    expect(kept.length).toBeLessThan(3_000);
    expect(kept.length).toBeGreaterThanOrEqual(1_000);
  });

  test('takes the longest record that there can be', () => {
    const log = new EventLog({ keep: 1_000, maxBytes: 256 * 1024 });
    const longest = '\u0001'.repeat(4_096);
    log.append({ t: 'seen', n: 1, cwd: longest, exe: longest, cmdline: longest }, 1);
    expect(parseRecords(log.chunks(1))).toEqual([{ t: 'seen', n: 1, cwd: longest, exe: longest, cmdline: longest }]);
  });

  test('losses are told as long as what was lost would have been kept', () => {
    const losses = new RecentLosses(1_000);
    losses.add('overrun', 5, 100);
    losses.add('evicted', 2, 600);
    expect(losses.sum(1_000)).toEqual({ overrun: 5, evicted: 2, damaged: 0 });
    expect(losses.sum(1_400)).toEqual({ overrun: 0, evicted: 2, damaged: 0 });
    expect(losses.sum(9_000)).toEqual({ overrun: 0, evicted: 0, damaged: 0 });
  });
});

describe('records of processes', () => {
  const at = (us: number): number => us * 1_000;

  test('what was seen while the process started another program is taken back', () => {
    const records = new KeptRecords();
    const processes = new ProcessRecords(records);
    processes.take({ kind: 'exec', atNs: at(100), pid: 7, path: '/bin/a' });
    const [look] = processes.waiting(10);
    expect(look!.looked(300)).toBe(true);
    processes.take({ kind: 'exec', atNs: at(250), pid: 7, path: '/bin/b' });
    expect(records.all.at(-1)).toEqual({ t: 'unseen', n: 1 });
    // And one that was seen before it stays.
    expect(processes.waiting(10)[0]!.looked(400)).toBe(true);
    processes.take({ kind: 'exec', atNs: at(500), pid: 7, path: '/bin/c' });
    expect(records.all.filter(({ t }) => t === 'unseen')).toHaveLength(1);
  });

  test('what is replaced while somebody looks is not told', () => {
    const processes = new ProcessRecords(new KeptRecords());
    processes.take({ kind: 'exec', atNs: at(100), pid: 7, path: '/bin/a' });
    const [look] = processes.waiting(10);
    processes.take({ kind: 'exec', atNs: at(250), pid: 7, path: '/bin/b' });
    expect(look!.looked(300)).toBe(false);
  });

  test('only the last program of a process is looked at, and none of one that has ended', () => {
    const processes = new ProcessRecords(new KeptRecords());
    processes.take({ kind: 'exec', atNs: at(1), pid: 7, path: '/bin/a' });
    processes.take({ kind: 'exec', atNs: at(2), pid: 7, path: '/bin/b' });
    processes.take({ kind: 'exec', atNs: at(3), pid: 8, path: '/bin/c' });
    processes.take({ kind: 'exit', atNs: at(4), thread: 8 });
    expect(processes.waiting(10).map(({ n, id }) => [n, id])).toEqual([[2, 7]]);
    expect(processes.waiting(10)).toEqual([]);
  });

  test('after a loss the end of what was known before is not told', () => {
    const records = new KeptRecords();
    const processes = new ProcessRecords(records);
    processes.take({ kind: 'exec', atNs: at(1), pid: 7, path: '/bin/a' });
    processes.forget(0);
    processes.take({ kind: 'exit', atNs: at(9), thread: 7 });
    expect(records.all.map(({ t }) => t)).toEqual(['exec']);
  });

  test('what was seen of a program is taken back where events are missing since before the look, and kept otherwise', () => {
    const records = new KeptRecords();
    const processes = new ProcessRecords(records);
    for (const n of [1, 2]) {
      processes.take({ kind: 'exec', atNs: n * 100_000, pid: n, path: '/bin/a' });
      processes.waiting(10)[0]!.looked(n * 100 + 50);
    }
    processes.forget(200);
    expect(records.all.filter(({ t }) => t === 'unseen')).toEqual([{ t: 'unseen', n: 2 }]);
  });
});

describe('records of sockets', () => {
  const change = (from: number, to: number, socket = 'a', thread = 9) =>
    ({
      kind: 'state',
      ...{ atNs: 1_000, thread, socket, from, to, family: 2, protocol: 6 },
      ...{ localPort: to === 2 ? 0 : 4_000, remotePort: 80, local: '7f000001', remote: '7f000002' },
    }) as const;

  test('say who called only where it was a call', () => {
    const records = new KeptRecords();
    const sockets = new SocketRecords(records);
    for (const [from, to] of [
      [7, 10],
      [7, 2],
      [2, 1],
      [3, 1],
      [9, 7],
      [3, 7],
      [12, 1],
    ] as const)
      sockets.take(change(from, to));
    expect(records.all).toMatchObject([
      { t: 'socket', action: 'listen', thread: 9 },
      { t: 'socket', action: 'connect', thread: 9, localPort: 0 },
      { t: 'result', n: 2, ok: true, localPort: 4_000 },
      { t: 'socket', action: 'accept' },
      { t: 'socket', action: 'close' },
      { t: 'socket', action: 'accept' },
    ]);
    expect(records.all.slice(3).every((record) => !('thread' in record))).toBe(true);
    expect(sockets.waiting(10).map(({ n }) => n)).toEqual([1, 2]);
  });

  test('an attempt whose begin was not seen has its end, and nobody who made it', () => {
    const records = new KeptRecords();
    const sockets = new SocketRecords(records);
    sockets.take(change(7, 2));
    sockets.forget(0);
    sockets.take(change(2, 7));
    expect(records.all.slice(1)).toEqual([
      expect.not.objectContaining({ thread: 9 }),
      { t: 'result', n: 2, ok: false, localPort: 4_000 },
    ]);
  });
});
