import {
  type ChallengeBody,
  type CommandBody,
  type CommandCancelBody,
  decodeBody,
  decodeHeader,
  type ErrorBody,
  FRAME,
  frameBody,
  type QueryBody,
  type ModeBody,
  type ReconnectBody,
  type ReportKeptBody,
  type WelcomeBody,
} from '@muster/protocol';

/** A frame that a gateway may send, read and checked. */
export type ServerFrame =
  | { readonly kind: 'challenge'; readonly body: ChallengeBody }
  | { readonly kind: 'welcome'; readonly body: WelcomeBody }
  | { readonly kind: 'error'; readonly body: ErrorBody }
  | { readonly kind: 'reconnect'; readonly body: ReconnectBody }
  | { readonly kind: 'mode'; readonly body: ModeBody }
  | { readonly kind: 'query'; readonly ref: number; readonly body: QueryBody }
  | { readonly kind: 'cancel'; readonly ref: number; readonly body: { readonly reason: string } }
  | { readonly kind: 'credit'; readonly ref: number; readonly body: { readonly bytes: number } }
  | { readonly kind: 'command'; readonly ref: number; readonly body: CommandBody }
  | { readonly kind: 'commandCancel'; readonly ref: number; readonly body: CommandCancelBody }
  | { readonly kind: 'reportKept'; readonly ref: number; readonly body: ReportKeptBody };

/** What comes once the session is ready. */
export type SessionFrame = Exclude<ServerFrame, { kind: 'challenge' | 'welcome' | 'error' }>;

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

/** Reads one message of a gateway; `fault` is one of a few constant words when it is none. */
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
