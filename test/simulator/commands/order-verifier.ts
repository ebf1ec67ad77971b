import { CommandVerifier, type NamedKey } from '@muster/identity/agent';
import { verifyTarget, type AgentId, type CommandBody, type CommandClaims } from '@muster/protocol';

/** Roots that an agent pinned. Agents that pinned the same ones share the object. */
export type Trust = readonly NamedKey[];

/** `authentic`: the signature is believed, so the refusal is about a command that was really given. */
export type Verdict =
  | { readonly ok: true; readonly claims: CommandClaims }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly authentic: boolean };

export interface Addressee {
  readonly agentId: string;
  readonly org: string;
  readonly trust: Trust;
}

/** How far the clock of a command service may be ahead. */
const AHEAD_MS = 5 * 60_000;

/**
 * Looks at orders as a real agent does. The signature is checked once for all agents of the process that trust the same roots; that the order is
 * for this agent, with this row, is checked for each.
 */
export class OrderVerifier {
  readonly #verifiers = new Map<Trust, CommandVerifier>();
  /** The list that each was given last. */
  readonly #lists = new Map<Trust, string>();

  /** A list of keys, from WELCOME or beside an order. Lists that are not believed change nothing. */
  acceptKeys(trust: Trust, jws: string): void {
    if (this.#lists.get(trust) === jws) return;
    this.#lists.set(trust, jws);
    this.#verifierOf(trust).acceptKeys(jws);
  }

  verify(order: CommandBody, { agentId, org, trust }: Addressee): Verdict {
    if (trust.length === 0) return unbelieved('no_trust', 'no root was pinned at enrolment');
    this.acceptKeys(trust, order.keys);
    const verified = this.#verifierOf(trust).verify(order.jws);
    if (!verified.ok) return unbelieved(verified.reason, 'the signature is not believed');
    const { claims, root } = verified;
    if (claims.org !== org) return unbelieved('wrong_org', `it is for ${claims.org}`);
    if (claims.jti !== order.id) return unbelieved('malformed', `what is signed is ${claims.jti}`);
    const binding = order.binding === null ? {} : { binding: order.binding };
    const leaf = { number: order.number, agentId: agentId as AgentId, ...binding };
    if (!verifyTarget(leaf, { root, size: claims.targets }, order.proof)) {
      return unbelieved('not_a_target', 'this agent is not a target of it, or not with this row');
    }
    if (claims.iat * 1_000 > Date.now() + AHEAD_MS) return refused('not_yet_valid', 'it is from the future');
    return { ok: true, claims };
  }

  #verifierOf(trust: Trust): CommandVerifier {
    let verifier = this.#verifiers.get(trust);
    if (verifier === undefined) this.#verifiers.set(trust, (verifier = new CommandVerifier({ roots: trust })));
    return verifier;
  }
}

function unbelieved(code: string, message: string): Verdict {
  return { ok: false, code, message, authentic: false };
}

function refused(code: string, message: string): Verdict {
  return { ok: false, code, message, authentic: true };
}
