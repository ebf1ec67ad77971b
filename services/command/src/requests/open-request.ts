import type { RequestSeal } from '@muster/identity';
import { decodeServiceMessage, type CommandRequest } from '@muster/messages';
import { AppError } from '@muster/protocol';

/**
 * Reads a request. With a seal, only one that an API has sealed: this service signs what it is asked for, so a place on the broker must not be
 * enough to ask. A copy of a sealed request finds the command that the first one made.
 * @throws AppError `forbidden`, which names what must be the same on both sides
 */
export function openRequest(data: Uint8Array, seal: RequestSeal | undefined, nowMs: number): CommandRequest {
  if (seal === undefined) return decodeServiceMessage<CommandRequest>(data);
  const opened = seal.open(data, nowMs);
  if (!opened.ok) {
    const why = opened.reason === 'stale' ? 'their clocks are over a minute apart' : 'their keys differ';
    throw new AppError(
      'forbidden',
      `the command service does not take orders from this API: ${why} (MUSTER_COMMAND_REQUEST_KEY)`,
      { details: { reason: opened.reason } },
    );
  }
  const request = decodeServiceMessage<CommandRequest>(opened.body);
  const makesOne = request.t === 'submit' || request.t === 'undo';
  return makesOne && request.requestKey === undefined ? { ...request, requestKey: opened.id } : request;
}
