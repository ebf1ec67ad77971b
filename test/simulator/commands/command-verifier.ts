import { CommandVerifier, type NamedKey } from '@muster/identity/agent';
import { verifyTarget, type AgentId, type CommandBody, type CommandClaims } from '@muster/protocol';

/** Command roots that an agent pinned. Agents that pinned the same ones share the object. */
export type Trust = readonly NamedKey[];

/** `authentic`: the signature is valid, so the refusal is about a command that was really issued. */
export type Verdict =
  | { readonly ok: true; readonly claims: CommandClaims }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly authentic: boolean };

export interface Addressee {
  readonly agentId: string;
  readonly org: string;
  readonly trust: Trust;
}

/** How far the clock of the command service may be ahead. */
const AHEAD_MS = 5 * 60_000;

/**
 * Verifies commands as a real agent does. The signature is checked once for all agents that trust the same roots. That the agent is a
 * target, with this binding, is checked for each agent.
 */
export class SharedCommandVerifier {
  readonly #verifiers = new Map<Trust, CommandVerifier>();
  /** The key list that each was given last. */
  readonly #lists = new Map<Trust, string>();

  /** A key list, from WELCOME or from a command. A list whose signature is not valid changes nothing. */
  acceptKeys(trust: Trust, jws: string): void {
    if (this.#lists.get(trust) === jws) return;
    this.#lists.set(trust, jws);
    this.#verifierOf(trust).acceptKeys(jws);
  }

  verify(command: CommandBody, { agentId, org, trust }: Addressee): Verdict {
    if (trust.length === 0) return untrusted('no_trust', 'no root was pinned at enrolment');
    this.acceptKeys(trust, command.keys);
    const verified = this.#verifierOf(trust).verify(command.jws);
    if (!verified.ok) return untrusted(verified.reason, 'the signature is not valid');
    const { claims, root } = verified;
    if (claims.org !== org) return untrusted('wrong_org', `it is for ${claims.org}`);
    if (claims.jti !== command.id) return untrusted('malformed', `what is signed is ${claims.jti}`);
    const binding = command.binding === null ? {} : { binding: command.binding };
    const leaf = { number: command.number, agentId: agentId as AgentId, ...binding };
    if (!verifyTarget(leaf, { root, size: claims.targets }, command.proof)) {
      return untrusted('not_a_target', 'this agent is not a target of it, or not with this row');
    }
    if (claims.iat * 1_000 > Date.now() + AHEAD_MS) return refused('not_yet_valid', 'it was issued in the future');
    return { ok: true, claims };
  }

  #verifierOf(trust: Trust): CommandVerifier {
    let verifier = this.#verifiers.get(trust);
    if (verifier === undefined) this.#verifiers.set(trust, (verifier = new CommandVerifier({ roots: trust })));
    return verifier;
  }
}

function untrusted(code: string, message: string): Verdict {
  return { ok: false, code, message, authentic: false };
}

function refused(code: string, message: string): Verdict {
  return { ok: false, code, message, authentic: true };
}
