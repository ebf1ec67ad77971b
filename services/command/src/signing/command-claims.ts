import type { CommandClaims, TargetTree } from '@muster/protocol';
import type { CommandRecord, Person } from '@muster/records';

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
    operator: { id: operator.id, name: operator.name },
    ...(approver === undefined ? {} : { approver: { id: approver.id, name: approver.name } }),
    ...(reason === undefined ? {} : { reason }),
  };
}
