import { CommandSigner, generateCommandRoot, type PrivateJwks, publicJwks, signCommandKeys } from '@muster/identity';
import {
  type AgentId,
  type Binding,
  type CommandBody,
  type CommandClaims,
  newCommandId,
  TargetTree,
} from '@muster/protocol';

export interface IssueOptions {
  /** Numbered from 1. */
  readonly targets: readonly (AgentId | readonly [AgentId, Binding])[];
  readonly claims?: Partial<CommandClaims>;
  /** Signs with the retired key. */
  readonly retired?: boolean;
  readonly id?: string;
}

/** A command service for tests. Its list has one current and one retired key. */
export class CommandIssuer {
  readonly #root: PrivateJwks;
  readonly #signer: CommandSigner;
  readonly #retired: CommandSigner;
  readonly #keys: PrivateJwks;
  readonly #retiredKeys: PrivateJwks;
  readonly #nowMs: () => number;

  private constructor(root: PrivateJwks, keys: PrivateJwks, retired: PrivateJwks, nowMs: () => number) {
    this.#root = root;
    this.#keys = keys;
    this.#retiredKeys = retired;
    this.#signer = new CommandSigner(keys);
    this.#retired = new CommandSigner(retired);
    this.#nowMs = nowMs;
  }

  static async create(nowMs: () => number): Promise<CommandIssuer> {
    const make = generateCommandRoot;
    return new CommandIssuer(await make(), await make(), await make(), nowMs);
  }

  /** The roots as an enrolment names them. */
  get roots(): { kid: string; x: string }[] {
    return publicJwks(this.#root).keys.map(({ kid, x }) => ({ kid, x }));
  }

  /** The signed key list. The second key is valid in version 1 and retired from version 2 on. */
  keyList(version = 2): string {
    const [current, retired] = [this.#keys, this.#retiredKeys].flatMap((keys) => publicJwks(keys).keys);
    const listed = version > 1 ? [current!] : [current!, retired!];
    return signCommandKeys(this.#root, {
      version,
      iat: 1,
      keys: listed.map(({ kid, x }) => ({ kid, x })),
      retired: version > 1 ? [retired!.kid] : [],
    });
  }

  /** One body for each target. */
  issue({ targets, claims = {}, retired = false, id = newCommandId(this.#nowMs()) }: IssueOptions): CommandBody[] {
    const leaves = targets.map((target, i) => {
      const [agentId, binding] = typeof target === 'string' ? [target] : target;
      return { number: i + 1, agentId, ...(binding !== undefined && { binding }) };
    });
    const tree = TargetTree.over(leaves);
    const nowSeconds = Math.floor(this.#nowMs() / 1_000);
    const jws = (retired ? this.#retired : this.#signer).sign({
      iss: 'muster',
      org: 'acme',
      jti: id,
      action: 'arp.flush',
      params: {},
      targets: leaves.length,
      root: Buffer.from(tree.root).toString('base64url'),
      iat: nowSeconds,
      exp: nowSeconds + 3_600,
      timeoutMs: 60_000,
      dryRun: false,
      operator: { id: 'alice', name: 'Alice' },
      ...claims,
    });
    return leaves.map(({ number, binding }) => ({
      id,
      number,
      jws,
      keys: this.keyList(),
      proof: Uint8Array.from(tree.proof(number)),
      binding: binding ?? null,
    }));
  }
}
