import { describe, expect, it } from '@jest/globals';
import { FRAME, type FrameType } from '@muster/protocol';
import type { CommandHandler, ReportResult } from '../capabilities/commands/command-handler.js';
import type { QueryHandler } from '../capabilities/queries/query-handler.js';
import { FrameRouter } from './frame-router.js';
import type { Session } from './hub/session.js';

function route(type: FrameType, answers: { readonly report?: ReportResult; readonly queryEnd?: boolean } = {}) {
  const asked: string[] = [];
  const queries = {
    rows: (_session: Session, ref: number, { final }: { final: boolean }) => asked.push(`rows ${ref} ${final}`),
    queryEnd: () => answers.queryEnd ?? true,
  } as unknown as QueryHandler;
  const commands = { report: () => answers.report ?? 'taken' } as unknown as CommandHandler;
  const router = new FrameRouter({ queries, commands });
  const fault = router.route({} as Session, { type, ref: 7, flags: 1 }, new Uint8Array());
  return { asked, reason: fault?.reason };
}

describe('a frame of a ready session', () => {
  it('goes to the desk that it is for', () => {
    expect(route(FRAME.rows)).toEqual({ asked: ['rows 7 true'], reason: undefined });
    expect(route(FRAME.queryEnd).reason).toBeUndefined();
    expect(route(FRAME.report).reason).toBeUndefined();
  });

  it.each([
    ['a malformed query end', FRAME.queryEnd, { queryEnd: false }, 'protocolError'],
    ['a malformed report', FRAME.report, { report: 'malformed' }, 'protocolError'],
    ['a flood of reports', FRAME.report, { report: 'flood' }, 'overloaded'],
    ['a second hello', FRAME.hello, {}, 'protocolError'],
    ['a frame that only gateways send', FRAME.command, {}, 'protocolError'],
  ] as const)('ends the session when it is %s', (_what, type, answers, reason) => {
    expect(route(type, answers).reason).toBe(reason);
  });
});
