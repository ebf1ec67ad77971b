import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { MAX_SUBSCRIPTIONS } from '@muster/api-contract';
import { StreamHub } from './stream-hub.js';
import { MOST_SUBSCRIPTIONS } from './subscription-set.js';
import { FakeStreamApi, FakeTab } from './testing/fake-stream-api.js';

const COMMANDS = { kind: 'commands' };
const query = (number: number) => ({ kind: 'query', queryId: `q${number}` });
const fleet = (selector: string) => ({ kind: 'fleet', selector, by: [] });
const counts = (total: number) => ({ event: 'counts', seq: null, counts: { total } });

let api: FakeStreamApi;
let hub: StreamHub;
let tabs: FakeTab[];
beforeEach(() => {
  api = new FakeStreamApi();
  hub = new StreamHub(api.client, { firstRetryMs: 1 });
  tabs = [];
});
afterEach(() => {
  jest.restoreAllMocks();
  hub.close();
  for (const { port } of tabs) port.close();
});

function openTab(): FakeTab {
  const tab = new FakeTab();
  tabs.push(tab);
  hub.addReader(tab.hubPort);
  return tab;
}
const has = (count: number): Promise<void> => api.until(() => api.has.size === count);
const ids = (): string[] => [...api.has.values()].map((one) => `${one.kind} ${one.after ?? ''}`.trim());

test('the limit is that of the contract', () => {
  expect(MOST_SUBSCRIPTIONS).toBe(MAX_SUBSCRIPTIONS);
});

test('equal subscriptions of all tabs are one; who joins is told the newest counts at once; it ends with the last of them', async () => {
  const [one, other] = [openTab(), openTab()];
  one.follow('f', fleet('os=linux'));
  await has(1);
  api.send('fleet', counts(3));
  await one.until(() => one.named('f').length === 1);
  other.follow('g', { by: [], selector: 'os=linux', kind: 'fleet' });
  await other.until(() => other.named('g').length === 1);
  api.send('fleet', counts(4));
  await other.until(() => other.named('g').length === 2);
  await one.until(() => one.named('f').length === 2);
  expect([api.has.size, api.opened]).toEqual([1, 1]);
  one.unfollow('f');
  other.follow('c', COMMANDS);
  await has(2);
  other.unfollow('g');
  await has(1);
});

test('a query is told from its own beginning to each who follows it', async () => {
  const [one, other] = [openTab(), openTab()];
  one.follow('q', query(1));
  await has(1);
  other.follow('q', query(1));
  await has(2);
});

test('30 tabs that show the fleet are one stream with three subscriptions', async () => {
  for (let count = 0; count < 30; count += 1) {
    const tab = openTab();
    for (const [key, subscription] of [COMMANDS, fleet('a=b'), fleet('')].entries())
      tab.follow(String(key), subscription);
  }
  await has(3);
  // Those that join after it are told it too.
  api.send('fleet', counts(3));
  for (const tab of tabs) await tab.until(() => tab.named('1').length === 1);
  expect([api.has.size, api.opened, api.refused]).toEqual([3, 1, []]);
});

test('beyond the limit only what is new is refused, says so, and goes on when there is room', async () => {
  const tab = openTab();
  for (let number = 1; number <= MOST_SUBSCRIPTIONS; number += 1) tab.follow(`q${number}`, query(number));
  await has(MOST_SUBSCRIPTIONS);
  tab.follow('late', COMMANDS);
  await tab.until(() => tab.named('late').length === 1);
  expect(tab.events.at(-1)).toMatchObject({ event: 'refused', isPassing: true, problem: { code: 'conflict' } });
  tab.unfollow('q1');
  await api.until(() => ids().includes('commands'));
  api.send('commands', { event: 'command', seq: 1 });
  await tab.until(() => tab.named('late').includes('command'));
  expect([api.opened, api.refused, api.has.size]).toEqual([1, [], MOST_SUBSCRIPTIONS]);
});

test('what is over leaves its room to what waits', async () => {
  const tab = openTab();
  for (let number = 1; number <= MOST_SUBSCRIPTIONS; number += 1) tab.follow(`q${number}`, query(number));
  await has(MOST_SUBSCRIPTIONS);
  tab.follow('c', COMMANDS);
  tab.follow('f', fleet(''));
  await tab.until(() => tab.named('c').length + tab.named('f').length === 2);
  api.send('query', { event: 'closed', seq: null });
  await api.until(() => ids().includes('commands'));
  api.send('query', { event: 'refused', seq: null, problem: { code: 'not_found' } });
  await api.until(() => ids().includes('fleet'));
  expect([api.opened, api.refused, api.has.size]).toEqual([1, [], MOST_SUBSCRIPTIONS]);
});

test('a change that hangs goes with its connection: the next one takes changes, and stays', async () => {
  const tab = openTab();
  tab.follow('c', COMMANDS);
  await has(1);
  api.isHolding = true;
  tab.follow('q1', query(1));
  await api.until(() => api.held === 1);
  api.isHolding = false;
  api.cut();
  await api.until(() => api.opened === 2);
  expect(api.givenUp).toBe(1);
  tab.follow('q2', query(2));
  await has(3);
  api.send('commands', { event: 'command', seq: 1 });
  await tab.until(() => tab.named('c').length === 1);
  expect([api.opened, tab.links.filter((state) => state === 'lost').length]).toEqual([2, 1]);
});

test('after a lost connection there are never more than the limit either', async () => {
  const tab = openTab();
  for (let number = 1; number <= MOST_SUBSCRIPTIONS + 2; number += 1) tab.follow(`q${number}`, query(number));
  await has(MOST_SUBSCRIPTIONS);
  api.cut();
  await api.until(() => api.opened === 2);
  expect(api.refused).toEqual([]);
});

test('one that the server does not take costs the others nothing, whether it comes first or later', async () => {
  const tab = openTab();
  tab.follow('bad', fleet('bad'));
  tab.follow('good', COMMANDS);
  await tab.until(() => tab.named('bad').length === 1);
  expect(tab.events.at(-1)).toMatchObject({ event: 'refused', problem: { code: 'bad_selector' } });
  await has(1);
  const { opened } = api;
  tab.follow('worse', fleet('bad'));
  await tab.until(() => tab.named('worse').length === 1);
  api.send('commands', { event: 'command', seq: 1 });
  await tab.until(() => tab.named('good').length === 1);
  expect(api.opened).toBe(opened);
});

test('what is refused for now is asked for again, and its next event says that it goes on', async () => {
  const tab = openTab();
  tab.follow('c', COMMANDS);
  await has(1);
  api.send('commands', { event: 'refused', seq: null, problem: { code: 'broker_unavailable', retryable: true } });
  await tab.until(() => tab.named('c').length === 1);
  expect(tab.events.at(-1)).toMatchObject({ event: 'refused', isPassing: true });
  await has(1);
  api.send('commands', { event: 'command', seq: 1 });
  await tab.until(() => tab.named('c').length === 2);
  expect(api.opened).toBe(1);
});

test('after a laptop has slept for hours its tabs go on: nobody has been silent by the clock of the hub', async () => {
  const tab = openTab();
  tab.follow('c', COMMANDS);
  await has(1);
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + 8 * 3_600_000);
  for (const seq of [1, 2]) api.send('commands', { event: 'command', seq });
  await tab.until(() => tab.named('c').length === 2);
  tab.follow('f', fleet(''));
  await has(2);
});

test('a frozen tab is sent nothing and follows nothing; when it thaws it goes on after its last event', async () => {
  const [frozen, other] = [openTab(), openTab()];
  frozen.follow('q', query(1));
  other.follow('c', COMMANDS);
  await has(2);
  api.send('query', { event: 'progress', seq: 7 });
  await frozen.until(() => frozen.named('q').length === 1);
  for (let look = 0; look < 6; look += 1) {
    other.unfollow('');
    // Heard before the next look: what is followed after it is there.
    other.follow('c2', query(100 + look));
    await api.until(() => [...api.has.values()].some((one) => 'queryId' in one && one.queryId === `q${100 + look}`));
    hub.lookAtReaders();
  }
  await api.until(() => !ids().includes('query 7') && api.has.size === 2);
  frozen.unfollow('');
  await api.until(() => ids().includes('query 7'));
  api.send('commands', { event: 'command', seq: 1 });
  await other.until(() => other.named('c').length === 1);
});

test('a lost connection goes on after the last event of each', async () => {
  const tab = openTab();
  tab.follow('q', query(1));
  await has(1);
  api.send('query', { event: 'progress', seq: 4 });
  await tab.until(() => tab.named('q').length === 1);
  api.cut();
  await tab.until(() => tab.links.at(-1) === 'lost');
  await api.until(() => api.opened === 2);
  expect(ids()).toEqual(['query 4']);
});

test('an API that is away for some tries is found again, and everything goes on', async () => {
  const tab = openTab();
  tab.follow('q', query(1));
  await has(1);
  api.send('query', { event: 'progress', seq: 9 });
  await tab.until(() => tab.named('q').length === 1);
  api.away = 2;
  api.cut();
  await tab.until(() => tab.links.at(-1) === 'lost');
  await tab.until(() => tab.links.at(-1) === 'open');
  expect([ids(), api.away]).toEqual([['query 9'], 0]);
});

test('a session that has ended is told to all tabs, and their signs of life do not ask again', async () => {
  const tab = openTab();
  tab.follow('c', COMMANDS);
  await has(1);
  api.isSignedOut = true;
  api.cut();
  await tab.until(() => tab.links.at(-1) === 'signed_out');
  tab.unfollow('');
  const late = openTab();
  await late.until(() => late.links.at(-1) === 'signed_out');
  expect(api.refused).toEqual([401]);
  api.isSignedOut = false;
  tab.port.postMessage({ kind: 'wake' });
  await tab.until(() => tab.links.at(-1) === 'open');
});
