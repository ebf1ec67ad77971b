import {
  type ChallengeBody,
  decodeBody,
  decodeHeader,
  type ErrorBody,
  FRAME,
  frameBody,
  type FrameType,
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
  /** The session cannot go on, unless the frame `isPassedOver`: nobody waits for an answer to it. */
  | { readonly ok: false; readonly fault: string; readonly detail?: string; readonly isPassedOver?: true };

const KINDS = {
  [FRAME.challenge]: 'challenge',
  [FRAME.welcome]: 'welcome',
  [FRAME.error]: 'error',
  [FRAME.reconnect]: 'reconnect',
  [FRAME.mode]: 'mode',
  [FRAME.query]: 'query',
  [FRAME.cancel]: 'cancel',
  [FRAME.credit]: 'credit',
  [FRAME.pack]: 'pack',
  [FRAME.command]: 'command',
  [FRAME.commandCancel]: 'commandCancel',
  [FRAME.reportKept]: 'reportKept',
  [FRAME.metrics]: 'metrics',
  [FRAME.metricsHistory]: 'metricsHistory',
} as const;

type Kind = (typeof KINDS)[keyof typeof KINDS];

function isOfGateway(type: FrameType): type is keyof typeof KINDS {
  return Object.hasOwn(KINDS, type);
}

/**
 * Decodes one message from a gateway. `fault` is one of a few constant words, for messages that are not valid frames.
 *
 * A body that this agent does not understand ends the session only where there is no session without it. Elsewhere the agent would be
 * sent the same frame again in its next session: a query and a command are answered with the fault instead.
 */
export function readServerFrame(bytes: Uint8Array): ReadServerFrame {
  const header = decodeHeader(bytes);
  if (header === undefined) return { ok: false, fault: 'no_frame' };
  const { ref, type } = header;
  if (!isOfGateway(type)) return { ok: false, fault: 'frame_of_an_agent' };
  const kind = KINDS[type];
  const decoded = decodeBody(kind, frameBody(bytes));
  // Sound: the body was decoded as what `kind` names.
  if (decoded.ok) return { ok: true, frame: { kind, ref, body: decoded.body } as ServerFrame };
  const frame = substitute(kind, ref, { body: frameBody(bytes), fault: decoded.fault });
  if (frame !== undefined) return { ok: true, frame };
  const isPassedOver = kind !== 'challenge' && kind !== 'welcome';
  return { ok: false, fault: `bad_${kind}`, detail: decoded.fault, ...(isPassedOver && { isPassedOver }) };
}

/** What takes the place of a frame whose body is not understood; `undefined` when nothing can. */
function substitute(
  kind: Kind,
  ref: number,
  { body, fault }: { readonly body: Uint8Array; readonly fault: string },
): ServerFrame | undefined {
  switch (kind) {
    case 'query':
    case 'credit':
      return { kind: 'unreadableQuery', ref, body: { code: `bad_${kind}`, fault } };
    case 'cancel':
      // The reason is for the log; `ref` says everything.
      return { kind, ref, body: { reason: '' } };
    case 'command': {
      const key = decodeBody('commandCancel', body);
      return key.ok ? { kind: 'unreadableCommand', ref, body: { ...key.body, fault } } : undefined;
    }
    default:
      return undefined;
  }
}
