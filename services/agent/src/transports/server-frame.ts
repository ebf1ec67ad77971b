import {
  type ChallengeBody,
  decodeBody,
  decodeHeader,
  type ErrorBody,
  FRAME,
  frameBody,
  type WelcomeBody,
} from '@muster/protocol';
import type { SessionFrame } from '../contract/session-frames.js';

/** A decoded frame from a gateway. */
export type ServerFrame =
  | { readonly kind: 'challenge'; readonly body: ChallengeBody }
  | { readonly kind: 'welcome'; readonly body: WelcomeBody }
  | { readonly kind: 'error'; readonly body: ErrorBody }
  | SessionFrame;

export type ReadServerFrame =
  | { readonly ok: true; readonly frame: ServerFrame }
  | { readonly ok: false; readonly fault: string; readonly detail?: string };

const KINDS = {
  [FRAME.challenge]: 'challenge',
  [FRAME.welcome]: 'welcome',
  [FRAME.error]: 'error',
  [FRAME.reconnect]: 'reconnect',
  [FRAME.mode]: 'mode',
  [FRAME.query]: 'query',
  [FRAME.cancel]: 'cancel',
  [FRAME.credit]: 'credit',
  [FRAME.command]: 'command',
  [FRAME.commandCancel]: 'commandCancel',
  [FRAME.reportKept]: 'reportKept',
} as const;

/**
 * Decodes one message from a gateway. `fault` is one of a few constant words, for messages that are not valid frames.
 */
export function readServerFrame(bytes: Uint8Array): ReadServerFrame {
  const header = decodeHeader(bytes);
  if (header === undefined) return { ok: false, fault: 'no_frame' };
  const { ref, type } = header;
  if (type === FRAME.hello || type === FRAME.rows || type === FRAME.queryEnd || type === FRAME.report)
    return { ok: false, fault: 'frame_of_an_agent' };
  const kind = KINDS[type];
  const decoded = decodeBody(kind, frameBody(bytes));
  if (!decoded.ok) return { ok: false, fault: `bad_${kind}`, detail: decoded.fault };
  // Sound: the body was decoded as what `kind` names.
  return { ok: true, frame: { kind, ref, body: decoded.body } as ServerFrame };
}
