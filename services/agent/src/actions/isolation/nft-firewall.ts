import type { ActionHost } from '../contract/action.js';
import { runOrStop } from '../contract/settle.js';
import { isolationRuleset, TABLE } from './nft-ruleset.js';
import type { AllowList, FirewallBackend } from './allow-list.js';

const OPTIONS = { timeoutMs: 20_000 };

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

  async apply(allowList: AllowList, seconds: number): Promise<void> {
    await runOrStop(this.#host, 'nft', ['-f', '-'], { ...OPTIONS, input: isolationRuleset(allowList, seconds) });
  }

  async remove(): Promise<boolean> {
    const { code, stderr } = await this.#host.run('nft', ['list', 'table', 'inet', TABLE], OPTIONS);
    // Without the program or the table there are no rules. Any other error tells nothing about the rules.
    if (code === 127 || (code !== 0 && stderr.includes('No such file or directory'))) return false;
    await runOrStop(this.#host, 'nft', ['delete', 'table', 'inet', TABLE], OPTIONS);
    return true;
  }
}
