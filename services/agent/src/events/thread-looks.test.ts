import { describe, expect, test } from '@jest/globals';
import { type KernelEvent, TCP } from './kernel-event.js';
import { SocketRecords } from './socket-records.js';
import { KeptRecords } from '../testing/kept-records.js';

const PID = 7;
const exec = (atUs: number, pid = PID) => ({ kind: 'exec' as const, atNs: atUs * 1_000, pid, path: '/bin/sh' });
const connect = (atUs: number, thread = PID): Extract<KernelEvent, { kind: 'state' }> => ({
  ...{ kind: 'state', atNs: atUs * 1_000, thread, socket: String(atUs), from: TCP.close, to: TCP.synSent },
  ...{ family: 2, protocol: 6, localPort: 0, remotePort: 9, local: '7f000001', remote: '7f000001' },
});

describe('who made a connection', () => {
  const create = () => {
    const records = new KeptRecords();
    return { records, sockets: new SocketRecords(records) };
  };

  test('is not told when it has started another program before it is looked at', () => {
    const { records, sockets } = create();
    sockets.take(connect(100));
    sockets.started(exec(110));
    sockets.take(connect(120));
    expect(sockets.waiting(9).map((look) => look.looked(200))).toEqual([false, true]);
    expect(records.unseen).toEqual([]);
  });

  test('is withdrawn when the start is read later, and lies before the look', () => {
    const { records, sockets } = create();
    for (const atUs of [100, 110]) sockets.take(connect(atUs));
    sockets.take(connect(120, PID + 1));
    for (const look of sockets.waiting(9)) expect(look.looked(200)).toBe(true);
    sockets.started(exec(105));
    expect(records.unseen).toEqual([1]);
    sockets.started(exec(201));
    expect(records.unseen).toEqual([1]);
    for (const atUs of [150, 160]) sockets.started(exec(atUs));
    expect(records.unseen).toEqual([1, 2]);
  });

  test('is withdrawn where events are missing since before the look, and kept otherwise', () => {
    const { records, sockets } = create();
    sockets.take(connect(100));
    sockets.waiting(9)[0]!.looked(200);
    sockets.take(connect(300));
    sockets.waiting(9)[0]!.looked(400);
    sockets.take(connect(410));
    const [late] = sockets.waiting(9);
    sockets.forget(350);
    expect(records.unseen).toEqual([2]);
    expect(late!.looked(420)).toBe(false);
    sockets.forget(0);
    expect(records.unseen).toEqual([2]);
  });

  test('is remembered for a bounded number of looks', () => {
    const { records, sockets } = create();
    for (let atUs = 1; atUs <= 2_001; atUs += 1) {
      sockets.take(connect(atUs, PID + (atUs % 2)));
      sockets.waiting(1)[0]!.looked(5_000);
    }
    sockets.started(exec(3_000, PID));
    sockets.started(exec(3_000, PID + 1));
    expect(records.unseen).toHaveLength(2_000);
    expect(records.unseen).not.toContain(1);
  });
});
