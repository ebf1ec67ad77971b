import { expect, test } from '@jest/globals';
import { StreamError } from '@muster/bus';
import { AppError } from '@muster/protocol';
import { silentLogger, type Logger } from '@muster/runtime';
import { problemReply } from './problem-reply.js';

function replyTo(error: unknown) {
  let errors = 0;
  const logger: Logger = { ...silentLogger, error: () => (errors += 1) };
  const { code, message } = problemReply(error, { service: 'query', kind: 'start', logger });
  return { code, message, errors };
}

test('an error of the application is passed on, and is not logged', () => {
  const error = new AppError('not_found', 'there is no query q1');
  expect(replyTo(error)).toEqual({ code: 'not_found', message: 'there is no query q1', errors: 0 });
});

test('a failure of the broker is broker_unavailable, without its details', () => {
  expect(replyTo(new StreamError('unavailable', 'no answer from 10.0.0.1'))).toMatchObject({
    code: 'broker_unavailable',
    message: expect.not.stringContaining('10.0.0.1'),
    errors: 0,
  });
});

test('every other error is internal: it is logged, and the caller learns nothing about it', () => {
  const expected = { code: 'internal', message: 'the query service failed', errors: 1 };
  expect(replyTo(new TypeError('x is undefined'))).toEqual(expected);
});
