import { roleAllows } from '@muster/identity';
import type { CommandReply, CommandRequest } from '@muster/messages';
import { AppError } from '@muster/protocol';
import type { CommandKeys } from '../signing/command-keys.js';

/**
 * Vouches for a pack in the name of an admin. The request is sealed as those for commands are: access to the broker is not enough to have endpoints run
 * checks. @throws AppError `forbidden`, `bad_request`
 */
export function signPack(
  { org, caller, pack }: CommandRequest & { readonly t: 'sign_pack' },
  keys: Pick<CommandKeys, 'signPack'>,
  nowMs: number,
): CommandReply {
  if (!roleAllows(caller.role, 'packs:apply'))
    throw new AppError('forbidden', `applying packs needs the role admin, and ${caller.name} is ${caller.role}`);
  if (caller.bound !== '')
    throw new AppError('forbidden', 'a pack is for all endpoints of the org, and a selector bounds this credential');
  const { id, name } = caller;
  const claims = { iss: 'muster' as const, org, ...pack, iat: Math.floor(nowMs / 1_000), operator: { id, name } };
  return { t: 'pack_signed', ...keys.signPack(claims) };
}
