import { AppError } from '@muster/protocol';
import { describe, expect, test } from '@jest/globals';
import { createLogger, type Logger, type LoggerOptions } from './logger.js';
import { Secret } from './secret.js';

function recorded(options: Partial<LoggerOptions> = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  return {
    logger: createLogger({ service: 'demo', ...options, destination: { write: (line) => lines.push(line) } }),
    lines,
  };
}

const only = (lines: string[]): Record<string, unknown> => JSON.parse(lines[0] ?? '{}') as Record<string, unknown>;

describe('logger', () => {
  test('a line is JSON with time, level, service, the constant message and the fields', () => {
    const { logger, lines } = recorded();
    logger.child({ gatewayId: 'gw-1' }).info('session opened', { sessions: 3 });
    expect(only(lines)).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: 'info',
      service: 'demo',
      gatewayId: 'gw-1',
      sessions: 3,
      msg: 'session opened',
    });
    expect(lines[0]).toMatch(/\n$/);
  });

  test('secrets do not reach a line: not by their names, not in headers, not wrapped', () => {
    const { logger, lines } = recorded();
    logger.warn('refused', {
      token: 'S3CRET',
      request: { headers: { authorization: 'Bearer S3CRET' }, secret: 'S3CRET' },
      key: new Secret('S3CRET'),
    });
    expect(lines[0]).not.toContain('S3CRET');
    expect(only(lines)['request']).toEqual({ headers: { authorization: '[secret]' }, secret: '[secret]' });
  });

  test('an error keeps its code, details, stack and causes', () => {
    const { logger, lines } = recorded();
    logger.error('query failed', {
      err: new AppError('broker_unavailable', 'cannot reach it', {
        details: { queryId: 'q1' },
        cause: new Error('refused'),
      }),
    });
    const err = only(lines)['err'] as Record<string, unknown>;
    expect(err).toMatchObject({ code: 'broker_unavailable', details: { queryId: 'q1' } });
    expect(err['message']).toBe('cannot reach it: refused');
    expect(err['stack']).toMatch(/logger\.test/);
  });

  test('lines below the level are not written', () => {
    const { logger, lines } = recorded({ level: 'warn' });
    logger.debug('x');
    logger.info('x');
    logger.warn('y');
    expect(lines.length).toBe(1);
  });

  test('lines for people have the message first and the stack below', () => {
    const { logger, lines } = recorded({ pretty: true });
    logger.info('session opened', { agentId: 'abc', host: 'a b', n: 2 });
    logger.error('failed', { err: new Error('boom') });
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}demo session opened agentId=abc host="a b" n=2\n$/);
    expect(lines[1]).toMatch(/error demo failed\n {4}Error: boom\n {4} {4}at /);
  });
});
