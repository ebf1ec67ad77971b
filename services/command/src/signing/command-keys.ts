import { CommandSigner, type PrivateJwks } from '@muster/identity';
import { commandKeysClaimsSchema, type CommandClaims } from '@muster/protocol';
import type { Signature, Person } from '@muster/records';

/** The key that signs, and the list in which a root says so. */
export class CommandKeys {
  /** The signed list, as agents get it. */
  readonly list: string;
  readonly #signer: CommandSigner;

  /** Throws a `TypeError` with what is wrong, for the person who configures it. */
  constructor(keys: PrivateJwks, list: string) {
    this.#signer = new CommandSigner(keys);
    this.list = list;
    const fault = keyListFault(list, this.#signer.kid);
    if (fault !== undefined) throw new TypeError(fault);
  }

  sign(claims: CommandClaims): Signature {
    const approver: Person | undefined = claims.approver;
    const signed = { jws: this.#signer.sign(claims), keys: this.list };
    return approver === undefined ? signed : { ...signed, approver };
  }
}

/** This service does not have the root's key and need not: agents check who signed the list. It only must not sign what they would refuse. */
function keyListFault(list: string, kid: string): string | undefined {
  const parts = list.split('.');
  let payload: unknown;
  try {
    payload = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString());
  } catch {
    payload = undefined;
  }
  const claims = commandKeysClaimsSchema.safeParse(payload);
  if (parts.length !== 3 || !claims.success) return 'the key list is not one that `muster keys command-list` signs';
  if (claims.data.retired.includes(kid)) return `the key list says that the signing key ${kid} is retired`;
  if (!claims.data.keys.some((key) => key.kid === kid)) return `the key list does not have the signing key ${kid}`;
  return undefined;
}
