import { CommandSigner, type PrivateJwks } from '@muster/identity';
import {
  AppError,
  commandClaimsSchema,
  commandKeysClaimsSchema,
  LIMITS,
  packClaimsSchema,
  PERSON_CHARS,
  STANDING_CHARS,
  type CommandClaims,
  type PackClaims,
  type PackProposal,
  type TargetTree,
} from '@muster/protocol';
import type { Signature, Person, CommandRecord } from '@muster/records';

const LONGEST_PERSON = {
  id: 'x'.repeat(PERSON_CHARS),
  name: 'x'.repeat(PERSON_CHARS),
  person: 'x'.repeat(STANDING_CHARS),
};

/** The signing key, and the key list in which a root certifies it. */
export class CommandKeys {
  #signing: Signing;

  /** @throws TypeError with the fault of the configuration, when agents would refuse the key. */
  constructor(keys: PrivateJwks, list: string) {
    this.#signing = signingWith(keys, list);
  }

  /** The signed list, as it is sent to agents. */
  get list(): string {
    return this.#signing.list;
  }

  /** The id of the key that signs. */
  get kid(): string {
    return this.#signing.signer.kid;
  }

  /**
   * Signs with the first of these keys from now on, and sends this list.
   * @throws TypeError when agents would refuse the key, or the list because they know a newer one; then those before stay.
   */
  renew(keys: PrivateJwks, list: string): void {
    const next = signingWith(keys, list);
    const { version, list: current } = this.#signing;
    if (next.version < version || (next.version === version && list !== current)) {
      const fault = `the key list has version ${next.version}, and agents have been sent version ${version}`;
      throw new TypeError(`MUSTER_COMMAND_KEY_LIST: ${fault}; sign one with a higher version`);
    }
    this.#signing = next;
  }

  /** @throws AppError `bad_request` or `too_large`, when agents would not read the command. */
  sign(claims: CommandClaims): Signature {
    const read = commandClaimsSchema.safeParse(claims);
    if (!read.success) {
      const [issue] = read.error.issues;
      throw new AppError(
        'bad_request',
        `agents would not read this command: ${issue?.path.join('.')}: ${issue?.message}`,
      );
    }
    const { approver } = claims;
    const signed = { jws: this.#signed(claims), keys: this.list };
    return approver === undefined ? signed : { ...signed, approver: signedPerson(approver) };
  }

  /** Vouches for a pack of checks: its signature, and the list with the key. @throws AppError `bad_request` */
  signPack(claims: PackClaims): { readonly jws: string; readonly keys: string } {
    const read = packClaimsSchema.safeParse(claims);
    if (read.success) return { jws: this.#signing.signer.signPack(read.data), keys: this.list };
    const [issue] = read.error.issues;
    throw new AppError('bad_request', `agents would not read this pack: ${issue?.path.join('.')}: ${issue?.message}`);
  }

  /** Vouches for who proposed a pack. */
  signProposal(claims: PackProposal): string {
    return this.#signing.signer.signProposal(claims);
  }

  /** `undefined` for what this key has not signed. */
  openProposal(jws: string): PackProposal | undefined {
    return this.#signing.signer.openProposal(jws);
  }

  /** Checks that a command can be signed when somebody has approved it. @throws AppError as {@link sign} does. */
  checkUnapproved(claims: CommandClaims): void {
    this.sign({ ...claims, approver: LONGEST_PERSON });
  }

  #signed(claims: CommandClaims): string {
    try {
      return this.#signing.signer.sign(claims);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new AppError('too_large', `${cause.message}; the command needs shorter parameters or a shorter reason`);
    }
  }
}

interface Signing {
  readonly signer: CommandSigner;
  readonly list: string;
  readonly version: number;
}

/** @throws TypeError when agents would refuse the key. */
function signingWith(keys: PrivateJwks, list: string): Signing {
  const signer = new CommandSigner(keys);
  const read = readKeyList(list, signer.kid);
  if ('fault' in read) throw new TypeError(`MUSTER_COMMAND_KEY_LIST: ${read.fault}`);
  return { signer, list, version: read.version };
}

/**
 * The version of the list, or why agents would refuse the signing key. The signature of the list is not checked: only
 * agents have the roots.
 */
function readKeyList(list: string, kid: string): { readonly version: number } | { readonly fault: string } {
  const parts = list.split('.');
  let payload: unknown;
  try {
    payload = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString());
  } catch {
    payload = undefined;
  }
  const claims = commandKeysClaimsSchema.safeParse(payload);
  if (parts.length !== 3 || !claims.success)
    return { fault: 'the key list is not one that `muster keys command-list` signs' };
  const { retired, keys, version } = claims.data;
  if (list.length > LIMITS.jwsBytes)
    return { fault: `the key list has ${list.length} characters, agents read ${LIMITS.jwsBytes}` };
  if (retired.includes(kid)) return { fault: `the key list says that the signing key ${kid} is retired` };
  if (!keys.some((key) => key.kid === kid)) return { fault: `the key list does not have the signing key ${kid}` };
  return { version };
}

/** The claims of a command's signature. The approver is part of them where approval was required. */
export function commandClaims(
  record: CommandRecord,
  tree: Pick<TargetTree, 'root' | 'size'>,
  { nowMs, approver }: { readonly nowMs: number; readonly approver?: Person },
): CommandClaims {
  const { id, org, action, params, dryRun, operator, reason, timeoutMs, expiresAtMs } = record;
  return {
    iss: 'muster',
    org,
    jti: id,
    action,
    params: { ...params },
    targets: tree.size,
    root: Buffer.from(tree.root).toString('base64url'),
    iat: Math.floor(nowMs / 1_000),
    exp: Math.ceil(expiresAtMs / 1_000),
    timeoutMs,
    dryRun,
    operator: signedPerson(operator),
    ...(approver === undefined ? {} : { approver: signedPerson(approver) }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function signedPerson({ id, name, person }: CommandClaims['operator']): Person {
  // Without it agents compare ids alone.
  return { id, name, ...(person === undefined || person.length > STANDING_CHARS ? {} : { person }) };
}
