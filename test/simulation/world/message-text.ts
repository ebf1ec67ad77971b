import { decodeCbor, decodeHeader, FRAME } from '@muster/protocol';

/** What a message is, for people. Not worked out unless the timeline tells messages. */
export type MessageText = () => string;

const FRAMES = new Map<number, string>(Object.entries(FRAME).map(([name, type]) => [type, name]));

/** A frame between an endpoint and a gateway. */
export const frameText =
  (frame: Uint8Array): MessageText =>
  () =>
    FRAMES.get(decodeHeader(frame)?.type ?? -1) ?? 'a frame';

/** A message on a bus: its kind, as far as it says so, and its subject. */
export const busText =
  (subject: string, data: Uint8Array): MessageText =>
  () =>
    `${kindOf(data) ?? 'a message'} on ${subject}`;

function kindOf(data: Uint8Array): string | undefined {
  try {
    const value = decodeCbor(data);
    return typeof value === 'object' && value !== null && 't' in value ? String(value.t) : undefined;
  } catch {
    return undefined;
  }
}
