import { expect, test } from '@jest/globals';
import { checkFields, checkTimes } from './schedule-times.js';

const NOW_MS = Date.parse('2026-11-30T22:00:00Z');

function faultOf(cron: string): unknown {
  try {
    checkFields(cron);
    checkTimes({ cron, timeZone: 'UTC' }, NOW_MS);
    return undefined;
  } catch (error) {
    return error;
  }
}

test.each([
  ['60 * * * *', 'minute 60 is not from 0 to 59'],
  ['1-60/2 * * * *', 'minute 60 is not from 0 to 59'],
  ['0,99999999999999999999 * * * *', 'minute 99999999999999999999 is not from 0 to 59'],
  ['*/60 * * * *', 'the step 60 of minute is not from 1 to 59'],
  ['*/0 * * * *', 'the step 0 of minute is not from 1 to 59'],
  ['0 12-24/2 * * *', 'hour 24 is not from 0 to 23'],
  ['0 */24 * * *', 'the step 24 of hour is not from 1 to 23'],
  ['0 0 0-5 * *', 'day of month 0 is not from 1 to 31'],
  ['0 0 1-32/2 * *', 'day of month 32 is not from 1 to 31'],
  ['0 0 32W * *', 'day of month 32 is not from 1 to 31'],
  ['0 0 1 0 *', 'month 0 is not from 1 to 12'],
  ['0 0 1 1-13/3 *', 'month 13 is not from 1 to 12'],
  ['0 0 * * 5-8', 'day of week 8 is not from 0 to 7'],
  ['0 0 * * */8', 'the step 8 of day of week is not from 1 to 7'],
  ['0 0 31 2 *', 'names no moment in the future'],
  ['0 0 31 4,6,9,11 *', 'names no moment in the future'],
  ['0 0 * *', 'not five fields'],
  ['0 0 * * * *', 'not five fields'],
  ['2027-01-01T00:00:00', 'not five fields'],
  ['@daily', 'not five fields'],
])('%s is refused: %s', (cron, why) => {
  expect(faultOf(cron)).toMatchObject({
    ...{ code: 'bad_request', message: expect.stringContaining(why), details: { field: 'cron' } },
  });
});

test.each([
  ...['0-59/2 0-23 1-31 1-12 0-7', '*/59 */23 */31 */12 */7', ' 0  2 * * 1-5 ', '0 0 29 2 *', '0 0 L * *'],
  ...['0 0 15W * *', '0 0 * JAN-MAR MON,FRI', '0 0 * * FRI#2', '0 0 * * 7#1', '0 0 * * 5L'],
])('%s is taken', (cron) => {
  expect(faultOf(cron)).toBeUndefined();
});
