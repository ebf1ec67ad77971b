import { describe, expect, it } from '@jest/globals';
import { AppError, ERROR_CODES, problemOf } from './errors.js';

describe('an AppError', () => {
  it('knows the status of its code, and whether trying again may help', () => {
    const error = new AppError('too_many_queries', 'five run already');
    expect([error.status, error.retryable, error.message]).toEqual([429, true, 'five run already']);
    expect([Object.hasOwn(error, 'cause'), error.name, error.details]).toEqual([false, 'AppError', {}]);
  });

  it('keeps its cause to itself', () => {
    const error = new AppError('internal', 'it failed', {
      cause: new Error('password=hunter2'),
      details: { id: 'q1' },
    });
    expect(error.cause).toEqual(new Error('password=hunter2'));
    expect(JSON.stringify(problemOf(error))).not.toContain('hunter2');
    expect(problemOf(error)).toMatchObject({ id: 'q1', code: 'internal', status: 500 });
  });

  it('is known by its mark, not by its class, which differs across realms', () => {
    expect(AppError.is(new AppError('timeout', 'late'))).toBe(true);
    expect(AppError.is({ [Symbol.for('muster.AppError')]: true })).toBe(true);
    for (const other of [new Error('x'), null, undefined, 'AppError', {}]) expect(AppError.is(other)).toBe(false);
  });
});

describe('a problem document', () => {
  it('has the members of RFC 9457, which details cannot replace', () => {
    const problem = problemOf({
      code: 'not_found',
      message: 'no query q1',
      details: { status: 200, code: 'ok', id: 'q1' },
    });
    expect(problem).toEqual({
      type: 'urn:muster:problem:not_found',
      title: ERROR_CODES.not_found.title,
      status: 404,
      detail: 'no query q1',
      code: 'not_found',
      id: 'q1',
    });
  });

  it('exists for every code, with an error status', () => {
    for (const [code, { status, retryable }] of Object.entries(ERROR_CODES)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      // What is wrong with the request itself does not get better by sending it again.
      if (retryable) expect([code, status === 429 || status >= 500]).toEqual([code, true]);
    }
  });
});
