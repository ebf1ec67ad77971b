import { expect, test } from '@jest/globals';
import { FRAME } from './frames.js';
import { purposeOfFrame, TRAFFIC_PURPOSES } from './traffic.js';

test('every frame counts as one purpose, by its first byte; an unknown one as session', () => {
  const purposes = Object.fromEntries(Object.entries(FRAME).map(([name, type]) => [name, purposeOfFrame(type)]));
  expect(purposes).toEqual({
    ...{ challenge: 'session', welcome: 'session', error: 'session', reconnect: 'session', mode: 'session' },
    ...{ query: 'query', cancel: 'query', credit: 'query', rows: 'query', queryEnd: 'query' },
    ...{ warnings: 'query', pack: 'query', packWanted: 'query', progress: 'query' },
    ...{ command: 'command', commandCancel: 'command', reportKept: 'command', report: 'command', hello: 'session' },
    ...{ metrics: 'metrics', metricsHistory: 'metrics', keyframe: 'metrics', delta: 'metrics', history: 'metrics' },
    ...{ processes: 'metrics' },
  });
  expect(purposeOfFrame(0xee)).toBe('session');
  expect(TRAFFIC_PURPOSES).toEqual(['session', 'heartbeat', 'query', 'command', 'metrics']);
});
