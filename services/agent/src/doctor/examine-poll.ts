import type { Agent } from 'node:http';
import { decodeBatch } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { PollConversation } from '../transports/poll-conversation.js';
import type { PollResponse } from '../transports/poll-request.js';
import { readServerFrame } from '../transports/server-frame.js';
import type { Finding } from './finding.js';

export interface PollExamination {
  /** `https://host:port/v1/poll` */
  readonly url: string;
  readonly ca?: string | undefined;
  readonly agent: Agent;
  /** Without one, it can only be seen that a gateway answers. */
  readonly token?: string | undefined;
}

export const POLL_ADVICE = 'a proxy or load balancer on the way may not pass /v1/poll, or change what it carries';

/** Opens a poll session and ends it, before it has said which agent it is. Rejects when there was no response. */
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
        : { ok: false, detail: 'what the answer carries was changed on the way', advice: POLL_ADVICE };
    case 'failed':
      throw signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : outcome.error;
    case 'refused': {
      const { status, code, detail } = outcome.refusal;
      const said = [status, code, detail].filter(Boolean).join(' ');
      if (code === undefined) return { ok: false, detail: `the answer is no gateway's: ${said}`, advice: POLL_ADVICE };
      if (status === 401 && token === undefined) return { ok: true, detail: 'a gateway answers' };
      return { ok: false, detail: `the gateway refused: ${said}` };
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
