import type { DirectoryWriter } from '@muster/directory';
import { verifyHelloProof, type AgentTokenIssuer } from '@muster/identity';
import { decodeBody, type CloseReason, type HelloBody } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { Capability, FrameFault } from '../../foundation/capability.js';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import { makeProfile } from '../../foundation/profile.js';
import type { Challenge, Session } from '../hub/session.js';
import type { DenialAuditor } from './denial-auditor.js';
import { renewToken } from './token-renewal.js';

export interface HandshakeOptions {
  readonly capabilities: readonly Pick<Capability, 'name' | 'alsoSaid'>[];
  readonly issuer: AgentTokenIssuer;
  readonly directory: DirectoryWriter;
  readonly overrides: Pick<OperatorOverrides, 'labelsOf' | 'isRevoked'>;
  readonly auditor: DenialAuditor;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type HelloResult =
  | { readonly ok: true; readonly hello: HelloBody; readonly challenge: Challenge }
  | ({ readonly ok: false } & FrameFault);

/** From HELLO to a session that can be registered: proves who the agent is, and takes over what it says of itself. */
export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #capabilities: ReadonlySet<string>;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#capabilities = new Set(options.capabilities.flatMap(({ name, alsoSaid = [] }) => [name, ...alsoSaid]));
  }

  /** Checks HELLO against the challenge of its own connection. */
  verify(session: Session, body: Uint8Array): HelloResult {
    const decoded = decodeBody('hello', body);
    if (!decoded.ok) return refuse('helloInvalid', decoded.fault);
    const { challenge, org, agentId, connection } = session;
    if (challenge === undefined) return refuse('protocolError', 'a second hello');
    const claim = { agentId, nonce: challenge.nonce, token: challenge.token };
    if (verifyHelloProof(challenge.publicKey, claim, decoded.body.proof))
      return { ok: true, hello: decoded.body, challenge };
    const reason = 'the proof does not match the token';
    // A token without its key: somebody may have stolen it.
    const denial = { org, action: 'agent.connect', from: connection.address, agentId, reason } as const;
    this.#options.auditor.denied({ ...denial, code: 'unauthenticated' });
    return refuse('unauthenticated', 'the proof does not match the token and the challenge');
  }

  /** Fills the session in and resolves to the new token that the agent should get, if any. Rejects when no token can be made. */
  async admit(
    session: Session,
    { hello, challenge }: { hello: HelloBody; challenge: Challenge },
  ): Promise<string | undefined> {
    const { org, agentId, mode } = session;
    const capabilities = new Set(hello.capabilities.filter((name) => this.#capabilities.has(name)));
    const labels = this.#options.overrides.labelsOf(org, agentId);
    session.profile = makeProfile({ ...hello.facts, mode, capabilities }, hello.labels, labels);
    session.host = hello.facts.host;
    session.instance = Buffer.from(hello.instance).toString('hex');
    session.replaces = hello.replaces;
    return renewToken(this.#options, session, { facts: hello.facts, labels: hello.labels, former: challenge });
  }
}

function refuse(reason: CloseReason, detail: string): HelloResult {
  return { ok: false, reason, detail };
}
