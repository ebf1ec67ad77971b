import { expect, test } from '@jest/globals';
import { newCommandId, type OrgId } from '@muster/protocol';
import { encodeNumberSet, type CommandRecord, type TargetList } from '@muster/records';
import { OpenCommand } from '../journal/open-command.js';
import { PendingDeliveries } from './pending-deliveries.js';
import { Random } from '../testing/faulty-network.js';

function command(targets: TargetList): OpenCommand {
  const record: CommandRecord = {
    ...{
      id: newCommandId(1),
      org: 'acme' as OrgId,
      action: 'dns.flush',
      params: {},
      dryRun: false,
      target: '',
      targets,
    },
    ...{ operator: { id: 'o', name: 'o', role: 'admin' }, submittedAtMs: 1, expiresAtMs: 2, timeoutMs: 1 },
  };
  return new OpenCommand(record, 1);
}

test('targets of commands of any shape are found by their agents', () => {
  const random = new Random(7);
  const pending = new PendingDeliveries();
  const some = (count: number) => Array.from({ length: count }, () => 1 + random.below(200));
  const row = (num: number) => [num, { pid: num }] as const;
  const commands = Array.from({ length: 60 }, (_, i) => {
    const size = 1 + random.below(60);
    if (i % 2 === 0) return command({ rows: some(size).map(row) });
    const set = new Set(some(size));
    const first = [...set].filter((num) => num % 3 === 0);
    const rest = [...set].filter((num) => num % 3 !== 0);
    return command({ sets: [encodeNumberSet(first), encodeNumberSet(rest)] });
  });
  for (const each of commands) pending.add(each);
  const gone = commands.filter((_, i) => i % 5 === 0);
  for (const each of gone) pending.remove(each);
  for (let num = 1; num <= 200; num += 1) {
    const found = pending.targetsOf([num]);
    for (const each of commands) {
      const expected = gone.includes(each) ? [] : each.fold.nums.flatMap((other, i) => (other === num ? [i + 1] : []));
      expect((found.get(each) ?? []).toSorted((a, b) => a - b)).toEqual(expected);
    }
  }
});
