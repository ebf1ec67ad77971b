import type { Agent } from 'node:http';
import { decodeBatch } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { PollConversation } from '../transports/poll-conversation.js';
import type { PollResponse } from '../transports/poll-request.js';
import { readServerFrame } from '../transports/server-frame.js';

/** The result of one hop. An exception counts as a failure too. */
export interface Finding {
  readonly ok: boolean;
  readonly detail: string;
  /** What to check, if it failed. */
  readonly advice?: string;
}

export interface PollExamination {
  /** `https://host:port/v1/poll` */
  readonly url: string;
  readonly ca?: string | undefined;
  readonly agent: Agent;
  /** Without a token, the test can only show that a gateway answers. */
  readonly token?: string | undefined;
}

export const POLL_ADVICE = 'a proxy or load balancer may not pass /v1/poll, or change what it carries';

/** Opens a Poll session and ends it before HELLO. Rejects when there is no response. */
export async function examinePoll({ token, url, agent, ca }: PollExamination, timeoutMs: number): Promise<Finding> {
  const conversation = new PollConversation({
    places: [{ url, agent }],
    ca,
    token: token ?? '',
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
  });
  const signal = AbortSignal.timeout(timeoutMs);
  const outcome = await conversation.open(signal);
  switch (outcome.kind) {
    case 'answered':
      await conversation.end(signal);
      return bringsChallenge(outcome.response)
        ? { ok: true, detail: 'a session was opened, and ended' }
        : {
            ok: false,
            detail: 'something between gateway and agent changed the body of the answer',
            advice: POLL_ADVICE,
          };
    case 'failed':
      throw signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : outcome.error;
    case 'refused': {
      const { status, code, detail } = outcome.refusal;
      const answer = [status, code, detail].filter(Boolean).join(' ');
      if (code === undefined)
        return { ok: false, detail: `the answer is not from a gateway: ${answer}`, advice: POLL_ADVICE };
      if (status === 401 && token === undefined) return { ok: true, detail: 'a gateway answers' };
      return { ok: false, detail: `the gateway refused: ${answer}` };
    }
    default:
      return { ok: false, detail: 'the answer cannot be read', advice: POLL_ADVICE };
  }
}

function bringsChallenge({ batch }: PollResponse): boolean {
  const [first] = (batch === undefined ? undefined : decodeBatch(batch)) ?? [];
  const read = first === undefined ? undefined : readServerFrame(first.frame);
  return read?.ok === true && read.frame.kind === 'challenge';
}
