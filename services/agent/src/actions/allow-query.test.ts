import { expect, test } from '@jest/globals';
import { runAction, testHost } from './testing/action-harness.js';

function hostWith(...hashes: string[]) {
  let refused = hashes;
  const matching = (start = '') => refused.filter((hash) => hash.startsWith(start));
  const allow = (start = '') => {
    const lifted = matching(start);
    refused = refused.filter((hash) => !lifted.includes(hash));
    return lifted;
  };
  return { host: testHost({ refusedQueries: { matching, allow } }), left: () => refused };
}

test('agent.allow_query lifts the named refusal, or all, and a dry run lifts none', async () => {
  const { host, left } = hostWith('aaaaaaaaaaaa', 'bbbbbbbbbbbb');
  const dry = await runAction(host, 'agent.allow_query', { dryRun: true });
  expect(dry).toMatchObject({ code: 'dry_run', effects: ['would allow aaaaaaaaaaaa', 'would allow bbbbbbbbbbbb'] });
  expect(left()).toHaveLength(2);
  const one = await runAction(host, 'agent.allow_query', { params: { query: 'AAAAAAAAAAAA' } });
  expect(one).toMatchObject({ state: 'succeeded', effects: ['allowed aaaaaaaaaaaa'] });
  expect(left()).toEqual(['bbbbbbbbbbbb']);
  const none = await runAction(host, 'agent.allow_query', { params: { query: 'cccccccc' } });
  expect(none).toMatchObject({ state: 'succeeded', code: 'unchanged' });
  await runAction(host, 'agent.allow_query');
  expect(left()).toEqual([]);
});

test.each(['', 'short', 'zzzzzzzz', 'a'.repeat(65)])('agent.allow_query refuses "%s" as a query', async (query) => {
  const { host } = hostWith('aaaaaaaaaaaa');
  expect(await runAction(host, 'agent.allow_query', { params: { query } })).toMatchObject({ code: 'bad_params' });
});
