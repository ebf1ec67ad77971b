import type { OrgId } from '@muster/protocol';
import type { Role } from '@muster/records';

/** The caller of a request, however it was authenticated. */
export interface Principal {
  readonly kind: 'token' | 'oidc';
  /** Stable: the token's id, or the subject from the identity provider. Used in audit records. */
  readonly id: string;
  /** For people to read. */
  readonly name: string;
  readonly org: OrgId;
  readonly role: Role;
  /** Restricts which endpoints the principal may see and touch: joined by AND to every selector of a request. */
  readonly selector?: string;
  readonly expiresAtMs?: number;
}
