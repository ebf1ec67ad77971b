import {
  CommandSigner,
  generateCommandRoot,
  generateSigningJwks,
  publicJwks,
  signCommandKeys,
  type PrivateJwks,
} from '@muster/identity';
import {
  encodeBody,
  encodeFrame,
  FRAME,
  newCommandId,
  TargetTree,
  type AgentId,
  type Binding,
  type CommandBody,
  type CommandClaims,
} from '@muster/protocol';

/** An issued command: its COMMAND bodies, one per target, in the order of target numbers. */
export interface IssuedCommand {
  readonly id: string;
  readonly bodies: readonly CommandBody[];
}

/** Signs commands for tests of the simulator, as the command service does. */
export class CommandIssuer {
  readonly root: PrivateJwks;
  readonly keys: PrivateJwks;
  readonly keyList: string;

  private constructor(root: PrivateJwks, keys: PrivateJwks) {
    this.root = root;
    this.keys = keys;
    this.keyList = signCommandKeys(root, {
      version: 1,
      iat: nowSeconds(),
      keys: publicJwks(keys).keys.map(({ kid, x }) => ({ kid, x })),
      retired: [],
    });
  }

  static async create(): Promise<CommandIssuer> {
    return new CommandIssuer(await generateCommandRoot(), await generateSigningJwks());
  }

  get trust() {
    return { keys: publicJwks(this.root).keys.map(({ kid, x }) => ({ kid, x })) };
  }

  issue(
    targets: readonly (string | readonly [agentId: string, binding: Binding])[],
    claims: Partial<CommandClaims> & Pick<CommandClaims, 'action'>,
  ): IssuedCommand {
    const leaves = targets.map((target, i) => {
      const [agentId, binding] = typeof target === 'string' ? [target] : target;
      return { number: i + 1, agentId: agentId as AgentId, ...(binding === undefined ? {} : { binding }) };
    });
    const tree = TargetTree.over(leaves);
    const id = newCommandId(Date.now());
    const jws = new CommandSigner(this.keys).sign({
      iss: 'muster',
      org: 'acme',
      jti: id,
      params: {},
      targets: tree.size,
      root: Buffer.from(tree.root).toString('base64url'),
      iat: nowSeconds(),
      exp: nowSeconds() + 600,
      timeoutMs: 60_000,
      dryRun: false,
      operator: { id: 'op', name: 'Ann' },
      ...claims,
    });
    const bodies = leaves.map(({ number, binding = null }) => {
      return { id, number, jws, keys: this.keyList, proof: tree.proof(number), binding };
    });
    return { id, bodies };
  }
}

export function commandFrame(body: CommandBody): Uint8Array {
  return encodeFrame(FRAME.command, 0, encodeBody('command', body));
}

export function cancelFrame({ id, number }: { readonly id: string; readonly number: number }): Uint8Array {
  return encodeFrame(FRAME.commandCancel, 0, encodeBody('commandCancel', { id, number }));
}

export function keptFrame({ id, number }: { readonly id: string; readonly number: number }): Uint8Array {
  return encodeFrame(FRAME.reportKept, 0, encodeBody('reportKept', { id, number }));
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}
