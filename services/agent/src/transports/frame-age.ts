import type { ModeBody } from '@muster/protocol';
import type { ServerFrame } from './server-frame.js';

type BodyOf<Kind extends ServerFrame['kind']> = Extract<ServerFrame, { kind: Kind }>['body'];

/** Bodies that contain times. */
const AGED: { readonly [Kind in ServerFrame['kind']]?: (body: BodyOf<Kind>, ageMs: number) => BodyOf<Kind> } = {
  query: (body, ageMs) => ({ ...body, remainingMs: less(body.remainingMs, ageMs) }),
  reconnect: (body, ageMs) => ({
    ...body,
    afterMs: less(body.afterMs, ageMs),
    spreadMs: less(body.spreadMs, less(ageMs, body.afterMs)),
  }),
  mode: agedMode,
  welcome: (body, ageMs) => (body.mode === undefined ? body : { ...body, mode: agedMode(body.mode, ageMs) }),
};

/** The frame with its times counted from now; they count from when the gateway had it ready to send, `ageMs` ago. */
export function agedFrame(frame: ServerFrame, ageMs: number): ServerFrame {
  // Sound: the table and the frames are typed by the same kinds.
  const aged = AGED[frame.kind] as ((body: typeof frame.body, ageMs: number) => typeof frame.body) | undefined;
  if (ageMs === 0 || aged === undefined) return frame;
  return { ...frame, body: aged(frame.body, ageMs) } as ServerFrame;
}

function agedMode(body: ModeBody, ageMs: number): ModeBody {
  const { lease, spreadMs } = body;
  return {
    ...body,
    spreadMs: less(spreadMs, ageMs),
    ...(lease === undefined ? {} : { lease: { ...lease, forMs: less(lease.forMs, ageMs) } }),
  };
}

function less(ms: number, passedMs: number): number {
  return Math.max(0, ms - passedMs);
}
