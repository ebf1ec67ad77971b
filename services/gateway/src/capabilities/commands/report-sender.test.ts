import { beforeEach, describe, expect, it } from '@jest/globals';
import { decodeBusMessage, SUBJECTS, type CommandReport, type CommandReports } from '@muster/messages';
import type { CommandServiceId } from '@muster/protocol';
import { createMetrics } from '@muster/runtime';
import type { FakeClock } from '@muster/runtime/testing';
import { MemoryBroker } from '@muster/bus/memory';
import { capabilityContext } from '../../testing/capability-harness.js';
import { createCommandMetrics } from './command-metrics.js';
import { ReportSender } from './report-sender.js';

const [A, B] = ['cs-a', 'cs-b'] as CommandServiceId[] as [CommandServiceId, CommandServiceId];
const GROUP = SUBJECTS.commandReports;
const subjectOf = SUBJECTS.commandServiceReports;

let clock: FakeClock;
let sender: ReportSender;
/** Where which reports were sent, by their messages. */
let sent: [subject: string, message: string][];
let counted: () => Promise<string>;

beforeEach(() => {
  const { bus } = new MemoryBroker().connect();
  const context = capabilityContext(bus);
  const registry = createMetrics('gateway');
  clock = context.clock;
  sent = [];
  bus.publish = (subject, data) => {
    const reports = decodeBusMessage<CommandReports>(data, 'command_reports')?.reports ?? [];
    for (const { message } of reports) sent.push([subject, message]);
    return 'sent';
  };
  sender = new ReportSender({ ...context, bus, metrics: createCommandMetrics(registry) });
  counted = () => registry.registry.metrics();
});

const send = (message: string): void => sender.send([{ message } as CommandReport]);
const beat = (instance: CommandServiceId, change: { stopping?: boolean; nowMs?: undefined } = {}): void => {
  const { stopping = false } = change;
  const clockOf = 'nowMs' in change ? {} : { nowMs: 7 };
  sender.heartbeat({ t: 'command_beat', instance, stopping, keys: '', ...clockOf });
};
/** Time passes; these services are heard every second, at its end. */
function pass(seconds: number, ...live: CommandServiceId[]): void {
  for (let past = 0; past < seconds; past += 1) {
    clock.advance(1_000);
    for (const id of live) beat(id);
  }
}

describe('reports', () => {
  it('go to a service that is heard, and to the queue group while none of this version is', () => {
    send('1');
    beat(A, { nowMs: undefined });
    send('2');
    beat(B);
    send('3');
    expect(sent).toEqual([
      [GROUP, '1'],
      [GROUP, '2'],
      [subjectOf(B), '3'],
    ]);
  });

  it('go to the service that was heard last while all are late, and to the queue group when that takes long', () => {
    beat(B);
    pass(1, A);
    clock.advance(4_000);
    send('1');
    clock.advance(1_000);
    send('2');
    expect(sent).toEqual([
      [subjectOf(A), '1'],
      [GROUP, '2'],
    ]);
  });

  it('go to another service when theirs falls silent, once, in their order; not those that it had long before', async () => {
    beat(A);
    send('long before');
    pass(3, A);
    for (const message of ['before', 'after']) send(message);
    pass(1, B);
    expect(sent).toHaveLength(3);
    pass(1, B);
    const again = [
      [subjectOf(B), 'before'],
      [subjectOf(B), 'after'],
    ];
    expect(sent.slice(3)).toEqual(again);
    expect(await counted()).toMatch(/command_reports_total\{[^}]*result="sent_again"[^}]*\} 2\b/);
    pass(3, A);
    expect(sent.slice(3)).toEqual(again);
  });

  it('go to another service at once when theirs stops, and wait for one while there is none', () => {
    beat(A);
    send('1');
    beat(A, { stopping: true });
    expect(sent).toEqual([[subjectOf(A), '1']]);
    clock.advance(20_000);
    beat(B);
    beat(A, { stopping: true });
    expect(sent.slice(1)).toEqual([[subjectOf(B), '1']]);
  });

  it('are sent once while their service is heard', () => {
    beat(A);
    for (let i = 0; i < 10; i += 1) {
      send(String(i));
      pass(1, A, B);
    }
    expect(sent).toHaveLength(10);
  });

  it('are not sent again by a gateway that was fenced', () => {
    beat(A);
    send('1');
    sender.clear();
    pass(3, B);
    expect(sent).toHaveLength(1);
  });

  it('that nobody took for long are forgotten beyond a bound, the oldest first', () => {
    beat(A);
    const long = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 20; i += 1) send(`${i} ${long}`);
    sent.length = 0;
    pass(3, B);
    expect(sent.map(([, message]) => message.split(' ')[0])).toEqual([...Array(15).keys()].map((i) => String(i + 5)));
  });
});
