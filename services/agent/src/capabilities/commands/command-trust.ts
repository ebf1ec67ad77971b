import { join } from 'node:path';
import { CommandVerifier, type NamedKey, type VerifiedCommand, type VerifiedPack } from '@muster/identity/agent';
import { LIMITS, type PackClaims, type PackTicket } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import { z } from 'zod';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';
import { sameRoots } from '../../identity/command-roots.js';

const storedSchema = z.object({
  roots: z.array(z.object({ kid: z.string(), x: z.string() })),
  version: z.number().int().nonnegative(),
  /** The list of that version, so that the agent knows after a restart which keys are retired. */
  list: z.string().max(LIMITS.jwsBytes).optional(),
});
type Stored = z.output<typeof storedSchema>;

export interface CommandTrustOptions {
  readonly folder: string;
  /** `MUSTER_COMMAND_ROOTS_FILE`: these roots replace the pinned ones, and those that a gateway names. */
  readonly roots?: readonly NamedKey[] | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type CheckedCommand = VerifiedCommand | { readonly ok: false; readonly reason: 'no_trust' };

/**
 * Whose commands this agent runs: the roots that it pinned at its enrolment, stored in `command-trust.json`, and the
 * newest key list that one of them signed. A gateway cannot change pinned roots.
 */
export class CommandTrust {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #stored: Stored = { roots: [], version: 0 };
  #verifier: CommandVerifier | undefined;
  #isStored = true;

  private constructor({ folder, clock, logger }: CommandTrustOptions) {
    this.#path = join(folder, 'command-trust.json');
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Throws when the file exists and cannot be read, or a root is not a key: then a person must decide whom to trust.
   */
  static open(options: CommandTrustOptions): CommandTrust {
    const trust = new CommandTrust(options);
    const text = readFileIfThere(trust.#path);
    if (text !== undefined) trust.#stored = trust.#parse(text);
    const { roots } = options;
    if (roots !== undefined && !sameRoots(roots, trust.#stored.roots)) {
      if (trust.#stored.roots.length > 0) {
        options.logger.warn('command roots are replaced by those of the configuration', { roots: idsOf(roots) });
      }
      // Versions count per root.
      trust.#keep({ roots: [...roots], version: 0 });
    }
    trust.#start();
    return trust;
  }

  /** Whether any command can be authentic. */
  get hasRoots(): boolean {
    return this.#stored.roots.length > 0;
  }

  get version(): number {
    return this.#stored.version;
  }

  /** Pins roots when there are none yet. `true` when something was pinned. */
  pin(roots: readonly NamedKey[]): boolean {
    if (this.hasRoots) {
      if (!sameRoots(roots, this.#stored.roots)) {
        this.#logger.warn('the gateway names other command roots than those that are pinned; they are ignored', {
          pinned: idsOf(this.#stored.roots),
          named: idsOf(roots),
        });
      }
      return false;
    }
    this.#keep({ roots: [...roots], version: 0 });
    this.#start();
    this.#logger.info('command roots pinned', { roots: idsOf(roots) });
    return true;
  }

  /**
   * Takes a key list if it is newer than the known one. Faults are only logged: the command that came with the list can
   * still be authentic.
   */
  acceptKeys(list: string): void {
    if (this.#verifier === undefined) return;
    const accepted = this.#verifier.acceptKeys(list);
    if (!accepted.ok) {
      if (accepted.reason !== 'older_version')
        this.#logger.warn('command key list refused', { reason: accepted.reason });
      return;
    }
    if (accepted.version === this.#stored.version && this.#stored.list !== undefined) return;
    this.#keep({ ...this.#stored, version: accepted.version, list });
    if (accepted.isNew) this.#logger.info('command keys', { version: accepted.version });
  }

  /** Checks a command's signature. */
  verify(jws: string): CheckedCommand {
    if (this.#verifier === undefined) return { ok: false, reason: 'no_trust' };
    return this.#verifier.verify(jws);
  }

  /** Checks who vouched for a pack of checks, for this org. */
  verifyPack(
    { jws, keys }: PackTicket,
    org: string,
  ): { readonly ok: true; readonly claims: PackClaims } | { readonly ok: false; readonly message: string } {
    if (this.#verifier === undefined)
      return {
        ok: false,
        message: 'this agent has pinned no root of trust, so it cannot know who vouched for the pack',
      };
    this.acceptKeys(keys);
    const verified = this.#verifier.verifyPack(jws);
    if (!verified.ok) return { ok: false, message: PACK_FAULTS[verified.reason] };
    if (verified.claims.org === org) return verified;
    return { ok: false, message: `the pack is of the org ${verified.claims.org}, this endpoint belongs to ${org}` };
  }

  /**
   * `false` while the trust cannot be stored. An older key list would count after a restart, so no command may start.
   */
  ensureStored(): boolean {
    return this.#isStored || this.#write();
  }

  #start(): void {
    if (!this.hasRoots) return;
    const { roots, version, list } = this.#stored;
    this.#verifier = new CommandVerifier({ roots, knownVersion: version, now: () => this.#clock.now() });
    if (list !== undefined) this.#verifier.acceptKeys(list);
  }

  #keep(stored: Stored): void {
    this.#stored = stored;
    this.#write();
  }

  #write(): boolean {
    try {
      writeFileAtomic(this.#path, `${JSON.stringify(this.#stored)}\n`);
      this.#isStored = true;
    } catch (error) {
      this.#isStored = false;
      this.#logger.error('command trust cannot be stored', { path: this.#path, err: error });
    }
    return this.#isStored;
  }

  #parse(text: string): Stored {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    const parsed = storedSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new Error(`${this.#path} cannot be read; restore it, or remove it to trust whom the next enrolment names`);
  }
}

const PACK_FAULTS: Readonly<Record<Extract<VerifiedPack, { ok: false }>['reason'], string>> = {
  malformed: 'the signed text is not about a pack',
  wrong_type: 'the signed text was made for another purpose',
  wrong_algorithm: 'the signature is of another algorithm than EdDSA',
  unknown_key: 'the key that signed the pack is in no list that this agent trusts',
  retired_key: 'the key that signed the pack is retired: an admin applies the pack again',
  bad_signature: 'the signature of the pack does not fit',
};

function idsOf(roots: readonly NamedKey[]): string[] {
  return roots.map(({ kid }) => kid);
}
