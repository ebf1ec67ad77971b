import { encodeBody, encodeFrame, FRAME, type ModeBody } from '@muster/protocol';
import type { Session } from './hub/session.js';

/** The frame that says that a session is ready. The list of command keys is for those only that take commands. */
export function welcomeFrame(
  { agentId, epoch, profile }: Session,
  given: {
    readonly token: string | undefined;
    readonly commandKeys: string | undefined;
    readonly heartbeatMs: number;
    readonly mode: ModeBody | undefined;
  },
): Uint8Array {
  const { token, commandKeys, heartbeatMs, mode } = given;
  const body = encodeBody('welcome', {
    agentId,
    epoch,
    heartbeatMs,
    labels: { ...profile?.labels },
    ...(token === undefined ? {} : { token }),
    ...(commandKeys === undefined || profile?.canCommand !== true ? {} : { commandKeys }),
    ...(mode === undefined ? {} : { mode }),
  });
  return encodeFrame(FRAME.welcome, 0, body);
}
