import { expect, test } from '@jest/globals';
import { firstFilled, noneTitle } from './newest-commands.js';

/** Pages by their number; each but the last leads to the next. */
function pagesOf(pages: readonly (readonly string[])[]) {
  const asked: (string | undefined)[] = [];
  const read = (cursor: string | undefined) => {
    asked.push(cursor);
    const at = Number(cursor ?? 0);
    return Promise.resolve({
      items: pages[at] ?? [],
      ...(at + 1 < pages.length ? { nextCursor: String(at + 1) } : {}),
    });
  };
  return { asked, read };
}

test('empty pages are passed over until one has something, three at most', async () => {
  const later = pagesOf([[], ['c2'], ['c1']]);
  expect(await firstFilled(later.read)).toEqual({ items: ['c2'], nextCursor: '2' });
  expect(later.asked).toEqual([undefined, '1']);
  const first = pagesOf([['c3'], ['c2']]);
  await firstFilled(first.read);
  expect(first.asked).toEqual([undefined]);
  const many = pagesOf([[], [], [], ['c1']]);
  expect(await firstFilled(many.read)).toEqual({ items: [], nextCursor: '3' });
  expect(many.asked).toEqual([undefined, '1', '2']);
});

test('that there is none is said of what was looked at', async () => {
  expect(noneTitle(await firstFilled(pagesOf([[], []]).read))).toBe('No command that you may see names it');
  expect(noneTitle(await firstFilled(pagesOf([[], [], [], []]).read))).toBe('None among the newest commands names it');
});
