import { expect, test } from '@jest/globals';
import { encodeCborUnsorted } from '@muster/protocol';
import { cutToReply, partOf } from './cut-to-reply.js';

/** Three bytes in UTF-8 for each code unit. */
const item = (n: number, chars: number) => ({ id: `s${String(n).padStart(3, '0')}`, text: '日'.repeat(chars) });

test('a list of any size comes in parts that the broker takes, each item once', () => {
  const items = Array.from({ length: 300 }, (_, n) => item((n * 7) % 300, 2_000));
  const found: string[] = [];
  for (let more = true; more;) {
    const { shown, isCut } = partOf(items, found.at(-1) ?? '');
    expect(encodeCborUnsorted(shown).length).toBeLessThan(900 * 1024);
    expect(shown.length).toBeGreaterThan(0);
    found.push(...shown.map(({ id }) => id));
    more = isCut;
  }
  expect(found).toEqual(items.map(({ id }) => id).toSorted());
});

test('who does not ask for parts gets the beginning in the order of the list; one item alone is never left out', () => {
  const items = [item(2, 10), item(1, 10)];
  expect(partOf(items, undefined)).toEqual({ shown: items, isCut: false });
  expect(cutToReply([item(1, 400_000), item(2, 1)])).toMatchObject({ shown: [{ id: 's001' }], isCut: true });
  expect(cutToReply(items, 1)).toEqual({ shown: items.slice(0, 1), isCut: true });
});
