import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';
import type { ActionHost } from '../contract/action.js';
import { runOrStop } from '../contract/settle.js';
import { formatNetworkAddress } from './network-address.js';
import type { AllowList, FirewallBackend } from './allow-list.js';

const PFCTL = '/sbin/pfctl';
const LAUNCHCTL = '/bin/launchctl';
/** Below the one anchor that the default rules of macOS evaluate. Those rules stay unchanged. */
const ANCHOR = 'com.apple/muster_isolation';
const LABEL = 'io.muster.release-isolation';
const OPTIONS = { timeoutMs: 20_000 };

/** pf on macOS. Loads rules in an anchor, and a launchd job flushes the anchor when the time is over. The rules do not survive a reboot. */
export class PfFirewall implements FirewallBackend {
  readonly #host: ActionHost;
  readonly #token: string;
  readonly #job: string;

  constructor(host: ActionHost, jobs = '/Library/LaunchDaemons') {
    this.#host = host;
    this.#token = join(host.dataDir, 'isolation.pf-token');
    this.#job = join(jobs, `${LABEL}.plist`);
  }

  async unavailableReason(): Promise<string | undefined> {
    const { code } = await this.#host.run(PFCTL, ['-s', 'info'], OPTIONS);
    return code === 0 ? undefined : 'pf cannot be used on this machine';
  }

  async apply(allowList: AllowList, seconds: number): Promise<undefined> {
    writeFileAtomic(this.#job, releaseJob(seconds));
    // Fails unless this replaces an isolation.
    await this.#host.run(LAUNCHCTL, ['bootout', `system/${LABEL}`], OPTIONS);
    await runOrStop(this.#host, LAUNCHCTL, ['bootstrap', 'system', this.#job], OPTIONS);
    try {
      await runOrStop(this.#host, PFCTL, ['-a', ANCHOR, '-f', '-'], { ...OPTIONS, input: isolationPf(allowList) });
      if (readFileIfThere(this.#token) === undefined) await this.#enable();
      // Existing pf states would bypass the rules.
      await runOrStop(this.#host, PFCTL, ['-F', 'states'], OPTIONS);
    } catch (error) {
      await this.remove();
      throw error;
    }
  }

  async remove(): Promise<boolean> {
    const { stdout } = await this.#host.run(PFCTL, ['-a', ANCHOR, '-s', 'rules'], OPTIONS);
    await runOrStop(this.#host, PFCTL, ['-a', ANCHOR, '-F', 'all'], OPTIONS);
    const token = readFileIfThere(this.#token)?.trim();
    if (token !== undefined && /^\d+$/.test(token)) await this.#host.run(PFCTL, ['-X', token], OPTIONS);
    rmSync(this.#token, { force: true });
    rmSync(this.#job, { force: true });
    await this.#host.run(LAUNCHCTL, ['bootout', `system/${LABEL}`], OPTIONS);
    return stdout.trim() !== '';
  }

  /** pf counts its users. The token releases our reference. */
  async #enable(): Promise<void> {
    const { code, stdout, stderr } = await this.#host.run(PFCTL, ['-E'], OPTIONS);
    const token = /Token : (\d+)/.exec(stdout + stderr)?.[1];
    if (code !== 0 || token === undefined) throw new Error(`pf could not be enabled: ${stderr.trim()}`);
    writeFileAtomic(this.#token, token);
  }
}

/** Builds the rules from parsed addresses. They are stateless, so that existing connections to gateways continue. */
export function isolationPf({ gateways, resolvers, allowed }: AllowList): string {
  const family = (number: 4 | 6): string => (number === 4 ? 'inet' : 'inet6');
  return [
    'pass quick on lo0 all no state',
    ...gateways.flatMap(({ address: { address, family: kind }, port }) => [
      `pass out quick ${family(kind)} proto tcp from any to ${address} port ${port} no state`,
      `pass in quick ${family(kind)} proto tcp from ${address} port ${port} to any flags A/A no state`,
    ]),
    ...resolvers.flatMap(({ address, family: kind }) => [
      `pass out quick ${family(kind)} proto { tcp, udp } from any to ${address} port 53 no state`,
      `pass in quick ${family(kind)} proto udp from ${address} port 53 to any no state`,
      `pass in quick ${family(kind)} proto tcp from ${address} port 53 to any flags A/A no state`,
    ]),
    ...allowed.flatMap((block) => [
      `pass out quick ${family(block.family)} from any to ${formatNetworkAddress(block)} no state`,
      `pass in quick ${family(block.family)} from ${formatNetworkAddress(block)} to any no state`,
    ]),
    'pass quick proto udp from any port { 67, 68 } to any port { 67, 68 } no state',
    'pass quick inet6 proto udp from any port { 546, 547 } to any port { 546, 547 } no state',
    ...['routersol', 'routeradv', 'neighbrsol', 'neighbradv', 'toobig'].map(
      (type) => `pass quick inet6 proto icmp6 all icmp6-type ${type} no state`,
    ),
    'block drop quick all',
    '',
  ].join('\n');
}

/** Builds a launchd job that runs every `seconds`, the first time after one interval (launchd.plist(5), StartInterval). */
export function releaseJob(seconds: number): string {
  const words = [PFCTL, '-a', ANCHOR, '-F', 'all'].map((word) => `<string>${word}</string>`).join('');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<plist version="1.0"><dict>',
    `<key>Label</key><string>${LABEL}</string>`,
    `<key>ProgramArguments</key><array>${words}</array>`,
    `<key>StartInterval</key><integer>${Math.max(1, Math.ceil(seconds))}</integer>`,
    '</dict></plist>',
    '',
  ].join('\n');
}
