import { CommandSigner, type PrivateJwks } from '@muster/identity';
import {
  AppError,
  commandClaimsSchema,
  commandKeysClaimsSchema,
  LIMITS,
  PERSON_CHARS,
  STANDING_CHARS,
  type CommandClaims,
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
  /** The signed list, as it is sent to agents. */
  readonly list: string;
  readonly #signer: CommandSigner;

  /** @throws TypeError with the fault of the configuration, when agents would refuse the key. */
  constructor(keys: PrivateJwks, list: string) {
    this.#signer = new CommandSigner(keys);
    this.list = list;
    const fault = keyListFault(list, this.#signer.kid);
    if (fault !== undefined) throw new TypeError(`MUSTER_COMMAND_KEY_LIST: ${fault}`);
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

  /** Checks that a command can be signed when somebody has approved it. @throws AppError as {@link sign} does. */
  checkUnapproved(claims: CommandClaims): void {
    this.sign({ ...claims, approver: LONGEST_PERSON });
  }

  #signed(claims: CommandClaims): string {
    try {
      return this.#signer.sign(claims);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new AppError('too_large', `${cause.message}; the command needs shorter parameters or a shorter reason`);
    }
  }
}

/** Why agents would refuse the signing key. The signature of the list is not checked: only agents have the roots. */
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
  if (list.length > LIMITS.jwsBytes)
    return `the key list has ${list.length} characters, agents read ${LIMITS.jwsBytes}`;
  if (claims.data.retired.includes(kid)) return `the key list says that the signing key ${kid} is retired`;
  if (!claims.data.keys.some((key) => key.kid === kid)) return `the key list does not have the signing key ${kid}`;
  return undefined;
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
