import type { ActionHost } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop, runOrStop } from '../contract/settle.js';
import { isolationRuleset, TABLE } from './nft-ruleset.js';
import type { AllowList, FirewallBackend } from './allow-list.js';

const OPTIONS = { timeoutMs: 20_000 };
const LIST = ['list', 'table', 'inet', TABLE];

/** nftables on Linux. One table, replaced in one transaction; its elements expire in the kernel. */
export class NftFirewall implements FirewallBackend {
  readonly #host: ActionHost;

  constructor(host: ActionHost) {
    this.#host = host;
  }

  async unavailableReason(): Promise<string | undefined> {
    const { code, stderr } = await this.#host.run('nft', ['list', 'tables'], OPTIONS);
    if (code === 0) return undefined;
    return code === 127 ? 'this machine has no nft (package nftables)' : `nft cannot be used: ${stderr.trim()}`;
  }

  async apply(allowList: AllowList, seconds: number): Promise<string> {
    await runOrStop(this.#host, 'nft', ['-f', '-'], { ...OPTIONS, input: isolationRuleset(allowList, seconds) });
    const seen = await runOrStop(this.#host, 'nft', LIST, OPTIONS);
    const lacks = ['hook input', 'hook output', 'hook forward', 'ipv4 timeout', 'ipv6 timeout'].filter(
      (part) => !seen.includes(part),
    );
    if (lacks.length === 0) return `the kernel has the table inet ${TABLE} with its three hooks and its timer`;
    throw new ActionStop(
      failed('not_isolated', `nft ended well, but the table inet ${TABLE} lacks: ${lacks.join(', ')}`),
    );
  }

  async remove(): Promise<boolean> {
    if (await this.#isGone()) return false;
    await runOrStop(this.#host, 'nft', ['delete', 'table', 'inet', TABLE], OPTIONS);
    if (await this.#isGone()) return true;
    throw new ActionStop(failed('still_isolated', `nft ended well, but the table inet ${TABLE} is still there`));
  }

  /** Without the program or the table there are no rules. Any other error tells nothing about the rules. */
  async #isGone(): Promise<boolean> {
    const { code, stderr } = await this.#host.run('nft', LIST, OPTIONS);
    return code === 127 || (code !== 0 && stderr.includes('No such file or directory'));
  }
}
