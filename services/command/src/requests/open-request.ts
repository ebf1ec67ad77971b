import type { RequestSeal } from '@muster/identity';
import { decodeServiceMessage, type CommandRequest } from '@muster/messages';
import { AppError } from '@muster/protocol';

/**
 * Reads a request. With a seal, only a request that an API sealed: this service signs commands, so access to the broker must
 * not be enough to submit one. The id of the seal becomes the request key, so a replay finds the first command.
 * @throws AppError `forbidden`; the message names what must be equal on both sides.
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
  const createsCommand = request.t === 'submit' || request.t === 'undo';
  return createsCommand && request.requestKey === undefined ? { ...request, requestKey: opened.id } : request;
}
