import { expect, test } from '@jest/globals';
import { newCommandId, type CommandId, type OrgId } from '@muster/protocol';
import { encodeNumberSet, type CommandRecord } from '@muster/records';
import { KnownCommands } from './known-commands.js';
import { OpenCommand } from './open-command.js';

const [ACME, OTHER] = ['acme', 'other'] as [OrgId, OrgId];

function command(n: number, org = ACME): OpenCommand {
  const id = newCommandId(n);
  const record = { id, org, submittedAtMs: n, targets: { sets: [encodeNumberSet([7])] } } as unknown as CommandRecord;
  return new OpenCommand(record, n);
}

function filled(keepEnded = 10) {
  const known = new KnownCommands(keepEnded);
  const commands = [1, 2, 3, 4].map((n) => command(n));
  for (const each of commands) known.add(each);
  const ids = commands.map(({ id }) => id) as [CommandId, CommandId, CommandId, CommandId];
  return { known, commands, ids };
}

const idsOf = (known: KnownCommands, options: Partial<Parameters<KnownCommands['list']>[1]> = {}, org = ACME) =>
  known.list(org, { limit: 10, ...options }).map(({ record }) => record.id);

test('an open command is found whole, an ended one as a summary of its own org', () => {
  const { known, commands, ids } = filled();
  known.end(commands[0]!);
  expect([known.openCount, [...known.all()]]).toEqual([3, commands.slice(1)]);
  expect([known.open(ids[0]), known.open(ids[1])]).toEqual([undefined, commands[1]]);
  expect([ids[0], ids[1], newCommandId(9)].map((id) => known.has(id))).toEqual([true, true, false]);
  expect(known.summary(ACME, ids[0])?.record).toMatchObject({ id: ids[0], submittedAtMs: 1 });
  expect(known.summary(ACME, ids[1])).toMatchObject({ record: { id: ids[1] }, ledger: { targeted: 1, queued: 1 } });
  expect([known.summary(OTHER, ids[0]), known.summary(OTHER, ids[1])]).toEqual([undefined, undefined]);
  expect(known.summary(ACME, newCommandId(9))).toBeUndefined();
});

test('a list shows the commands of an org, newest first, whatever the order in which they came', () => {
  const known = new KnownCommands(10);
  const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => command(n)) as [never, never, never, never];
  const strange = command(5, OTHER);
  for (const each of [second, fourth, strange, first, third] as OpenCommand[]) known.add(each);
  expect(idsOf(known)).toEqual([fourth, third, second, first].map(({ id }: OpenCommand) => id));
  expect(idsOf(known, {}, OTHER)).toEqual([strange.id]);
  expect(idsOf(known, {}, 'nobody' as OrgId)).toEqual([]);
});

test('a list has a limit, a place to go on from, and a status', () => {
  const { known, commands, ids } = filled();
  known.end(commands[1]!);
  expect(idsOf(known, { limit: 2 })).toEqual([ids[3], ids[2]]);
  expect(idsOf(known, { limit: 0 })).toEqual([]);
  expect(idsOf(known, { before: ids[2] })).toEqual([ids[1], ids[0]]);
  expect(idsOf(known, { before: ids[2], limit: 1 })).toEqual([ids[1]]);
  expect(idsOf(known, { before: ids[0] })).toEqual([]);
  expect(idsOf(known, { before: newCommandId(9) })).toHaveLength(4);
  expect(idsOf(known, { status: 'awaiting_approval' })).toHaveLength(4);
  expect(idsOf(known, { status: 'running' })).toEqual([]);
});

test('of the ended ones only the latest are kept, and the others are in no list', () => {
  const { known, commands, ids } = filled(2);
  for (const each of commands.slice(0, 2)) known.end(each);
  expect(idsOf(known)).toHaveLength(4);
  known.end(commands[3]!);
  expect([known.has(ids[0]), known.has(ids[1]), known.summary(ACME, ids[0])]).toEqual([false, true, undefined]);
  expect(idsOf(known)).toEqual([ids[3], ids[2], ids[1]]);
  known.end(commands[2]!);
  expect(idsOf(known)).toEqual([ids[3], ids[2]]);
});

test('with none kept an ended command is forgotten, and nothing is left after it was cleared', () => {
  const { known, commands, ids } = filled(0);
  known.end(commands[0]!);
  expect([known.has(ids[0]), idsOf(known)]).toEqual([false, [ids[3], ids[2], ids[1]]]);
  known.clear();
  expect([known.openCount, known.has(ids[1]), idsOf(known)]).toEqual([0, false, []]);
  known.add(commands[0]!);
  expect(idsOf(known)).toEqual([ids[0]]);
  const { known: other, commands: ended } = filled();
  other.end(ended[0]!);
  other.clear();
  expect(other.has(ended[0]!.id)).toBe(false);
});
