import type { OrgId } from '@muster/protocol';
import type { Role } from '@muster/records';

/** Who makes a request, whatever it was authenticated with. */
export interface Principal {
  readonly kind: 'token' | 'oidc';
  /** Stable: the token's id, or the subject that the identity provider gave. For the audit record. */
  readonly id: string;
  /** For people to read. */
  readonly name: string;
  readonly org: OrgId;
  readonly role: Role;
  /** Bounds what the principal may see and touch: it is joined by AND to every selector they give. */
  readonly selector?: string;
  readonly expiresAtMs?: number;
}
