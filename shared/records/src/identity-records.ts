import type { AgentId, Facts, Labels, OrgId, SessionMode } from '@muster/protocol';

/** What the identities stream keeps of each agent: the last record of each kind counts. */

/**
 * Written once per key pair; the stream sequence is the agent's number. When an identity is removed, a record with `removed` takes the
 * place of this one, and a later enrolment of the same key takes the place of that: each by compare-and-set, so that of several
 * processes exactly one succeeds.
 */
export interface EnrolledRecord {
  readonly agentId: AgentId;
  readonly org: OrgId;
  /** base64url of the raw Ed25519 public key. */
  readonly publicKey: string;
  readonly enrolledAtMs: number;
  /** The address it came from. */
  readonly from: string;
  readonly facts: Facts;
  readonly labels: Labels;
  /** Labels that the enrolment secret gives, until operators set some. Versions before wrote them as a record of operators. */
  readonly given?: Labels;
  /** The name of the enrolment secret. Records of versions that kept no first session have none. */
  readonly secret?: string;
  /** The key was enrolled before, and that identity was removed: tokens of earlier numbers are not valid. */
  readonly again?: true;
  /** The identity was removed. Facts are blank then. */
  readonly removed?: RemovedIdentity;
}

export interface RemovedIdentity {
  readonly atMs: number;
  /**
   * `never_live`: no agent ever opened a session with it. `revoked`: it was revoked, and its last token has expired.
   * `over_limit`: it came at the same moment as others, to another gateway, and was one too many.
   */
  readonly why: 'never_live' | 'revoked' | 'over_limit';
  /** The number that it had. */
  readonly num: number;
}

/** Written once, when an agent has proven for the first time that it holds the key. */
export interface FirstSessionRecord {
  readonly atMs: number;
  /** The number of the identity. */
  readonly num: number;
}

/** Written when the agent's own facts or labels have changed. */
export interface FactsRecord {
  readonly facts: Facts;
  readonly labels: Labels;
  readonly seenAtMs: number;
}

/** Labels set by operators; they win over the agent's own, and take the place of those that the enrolment secret gave. */
export interface LabelsRecord {
  readonly labels: Labels;
  readonly by: string;
  readonly atMs: number;
}

export interface RevokedRecord {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

/** Two machines presented this identity. */
export interface DuplicateRecord {
  readonly atMs: number;
  readonly holderInstance: string;
  readonly refusedInstance: string;
  readonly refusedHost: string;
  readonly refusedAddress: string;
}

/** The channel that an operator set for an agent; wins over the gateways' policy. */
export interface ModeOverrideRecord {
  /** `default` withdraws an earlier override: the policy decides again. */
  readonly mode: SessionMode | 'default';
  /** Poll interval. Absent: the policy's interval. */
  readonly intervalMs?: number;
  readonly untilMs?: number;
  readonly reason: string;
  readonly by: string;
  readonly atMs: number;
}

/** An agent was, or still is, on another channel than the assigned one. The agent reports it when it opens a session. */
export interface FallbackRecord {
  readonly atMs: number;
  /** The channel of the session that reported it: `live` when the agent is back. */
  readonly mode: SessionMode;
  readonly forMs: number;
  readonly failures: number;
  readonly why: string;
}
