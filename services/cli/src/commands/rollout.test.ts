import { expect, test } from '@jest/globals';
import { parseRollout } from './rollout.js';

test('a rollout is given in one word', () => {
  expect(parseRollout('canary=1,step=10%,pause=30s,abort_over=5%')).toEqual({
    canary: 1,
    step: '10%',
    pause: '30s',
    abortOver: '5%',
  });
  expect(parseRollout('step=50')).toEqual({ step: 50 });
  expect(parseRollout('abort_over=0%, canary=3')).toEqual({ abortOver: '0%', canary: 3 });
});

test.each([
  ['canary', '"canary" is not name=value'],
  ['canary=0', 'canary is a number of endpoints above 0'],
  ['canary=10%', 'canary is a number of endpoints above 0'],
  ['step=0%', 'step is a percentage'],
  ['step=1.5%', 'step is a percentage'],
  ['abort_over=5', 'abort_over is a percentage'],
  ['abort_over=101%', 'abort_over is a percentage'],
  ['pause=soon', 'pause is a duration'],
  ['speed=1', 'has no "speed"'],
  ['step=1,step=2', 'says step twice'],
])('%s is refused', (text, message) => {
  expect(() => parseRollout(text)).toThrow(message);
});
