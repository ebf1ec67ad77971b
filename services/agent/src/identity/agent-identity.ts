import { join } from 'node:path';
import type { ChallengeBody, Facts, HelloBody, Labels } from '@muster/protocol';
import {
  type AgentKeys,
  exportAgentKeys,
  generateAgentKeys,
  importAgentKeys,
  signConnectProof,
  signHelloProof,
} from '@muster/identity/agent';
import type { Logger } from '@muster/runtime/program';
import { readFileIfThere, writeFileAtomic } from '../store/atomic-file.js';
import { openPrivateFolder } from '../store/private-folder.js';

/** What the agent tells a gateway about itself. */
export interface SelfDescription {
  readonly facts: Facts;
  readonly labels: Labels;
  readonly instance: Uint8Array;
}

/** HELLO without what depends on the session. */
export type IdentityHello = Pick<HelloBody, 'facts' | 'labels' | 'instance' | 'proof'>;

/** Whether a text can be sent as a token: HTTP headers cannot contain line breaks. */
export function isToken(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text);
}

/** The agent's key pair and token, both in the data directory and readable only by the agent's user. */
export class AgentIdentity {
  readonly keys: AgentKeys;
  readonly #tokenFile: string;
  readonly #logger: Logger;
  #token: string | undefined;

  private constructor(keys: AgentKeys, tokenFile: string, logger: Logger) {
    this.keys = keys;
    this.#tokenFile = tokenFile;
    this.#logger = logger;
    const stored = readFileIfThere(tokenFile)?.trim() ?? '';
    if (isToken(stored)) this.#token = stored;
  }

  /**
   * Opens the identity in `folder`, or creates one. Throws when the folder cannot be written or the key file is not
   * valid. Then a person must decide, because an agent with a new key is a new endpoint.
   */
  static open(folder: string, logger: Logger): AgentIdentity {
    openPrivateFolder(folder);
    const keyFile = join(folder, 'agent-key.json');
    const text = readFileIfThere(keyFile);
    const keys = text === undefined ? generateAgentKeys() : importAgentKeys(parseJson(text));
    if (keys === undefined)
      throw new Error(`${keyFile} holds no agent key; restore it, or remove it to become a new agent`);
    if (text === undefined) {
      writeFileAtomic(keyFile, `${JSON.stringify(exportAgentKeys(keys))}\n`);
      logger.info('agent key created', { agentId: keys.agentId });
    }
    return new AgentIdentity(keys, join(folder, 'agent-token'), logger);
  }

  get agentId(): string {
    return this.keys.agentId;
  }

  token(): string | undefined {
    return this.#token;
  }

  /**
   * Sets the token and stores it for the next start; `undefined` removes it. A text that is not a token is ignored. If
   * it cannot be stored, the agent enrols again after a restart.
   */
  setToken(token: string | undefined): void {
    if (token !== undefined && !isToken(token)) return this.#logger.warn('the gateway sent an invalid token');
    this.#token = token;
    try {
      writeFileAtomic(this.#tokenFile, token === undefined ? '' : `${token}\n`);
    } catch (error) {
      this.#logger.error('token cannot be stored', { path: this.#tokenFile, err: error });
    }
  }

  /** Proves ahead of the challenge that this agent has the key of its token. */
  connectProof(token: string, timestampMs: number): string {
    return signConnectProof(this.keys.privateKey, { agentId: this.agentId, token, timestampMs });
  }

  /** The part of HELLO that identifies this agent; `proof` proves that it has the key. */
  hello({ facts, labels, instance }: SelfDescription, challenge: ChallengeBody, token: string): IdentityHello {
    const proof = signHelloProof(this.keys.privateKey, { agentId: this.agentId, nonce: challenge.nonce, token });
    return { facts, labels: { ...labels }, instance, proof };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
