import type { CommandJson } from '@muster/api-contract';

/** In rising order, as the server has them. */
const ROLES = ['viewer', 'analyst', 'responder', 'admin'];

/** Who decides, as `GET /v1/me` says it. */
export interface Decider {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly permissions: readonly string[];
}

/** Why somebody may not approve a command; undefined where they may. */
export type ApprovalBar = 'own' | 'role' | 'permission';

/**
 * The one rule for the number beside Commands, the notification and the button. The server has the same one, and knows more: with whose
 * credentials others were made.
 */
export function approvalBar(
  me: Decider | undefined,
  { operator, approval }: Pick<CommandJson, 'operator' | 'approval'>,
): ApprovalBar | undefined {
  if (me?.permissions.includes('commands:approve') !== true) return 'permission';
  // Two tokens with one name are of one person.
  if (me.id === operator.id || personName(me.name) === personName(operator.name)) return 'own';
  return ROLES.indexOf(me.role) < ROLES.indexOf(approval?.role ?? 'responder') ? 'role' : undefined;
}

export function mayApprove(me: Decider | undefined, command: Pick<CommandJson, 'operator' | 'approval'>): boolean {
  return approvalBar(me, command) === undefined;
}

function personName(name: string): string {
  return name.trim().toLowerCase();
}
