import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../store/atomic-file.js';
import type { ActionHost } from '../contract/action.js';
import { runOrStop } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';
import { formatNetworkAddress } from './network-address.js';
import type { AllowList, FirewallBackend } from './allow-list.js';

const NETSH = `${SYSTEM32}netsh.exe`;
const SCHTASKS = `${SYSTEM32}schtasks.exe`;
const TASK = 'Muster\\ReleaseIsolation';
const RULE = 'MusterIsolation';
const OPTIONS = { timeoutMs: 30_000 };

/**
 * Windows Firewall. Exports the policy, disables all rules, adds ours and blocks everything else. Releasing imports the
 * exported policy. A scheduled task imports it when the time is over, or when the machine next runs after that.
 */
export class NetshFirewall implements FirewallBackend {
  readonly #host: ActionHost;
  readonly #policy: string;
  readonly #task: string;

  constructor(host: ActionHost) {
    this.#host = host;
    this.#policy = join(host.dataDir, 'isolation.wfw');
    this.#task = join(host.dataDir, 'isolation-task.xml');
  }

  async unavailableReason(): Promise<string | undefined> {
    const { code } = await this.#host.run(NETSH, ['advfirewall', 'show', 'currentprofile', 'state'], OPTIONS);
    return code === 0 ? undefined : 'Windows Firewall does not answer on this machine';
  }

  async apply(allowList: AllowList, seconds: number): Promise<undefined> {
    // Keep the policy from before the first isolation when a second one replaces it.
    if (!existsSync(this.#policy)) await this.#netsh(['export', this.#policy]);
    const releaseAt = new Date(this.#host.clock.now() + seconds * 1000);
    writeFileAtomic(this.#task, releaseTask(this.#policy, releaseAt));
    await runOrStop(this.#host, SCHTASKS, ['/Create', '/TN', TASK, '/XML', this.#task, '/F'], OPTIONS);
    try {
      await this.#netsh(['set', 'allprofiles', 'state', 'on']);
      await this.#netsh(['firewall', 'set', 'rule', 'name=all', 'new', 'enable=no']);
      for (const rule of isolationRules(allowList))
        await this.#netsh(['firewall', 'add', 'rule', `name=${RULE}`, ...rule]);
      await this.#netsh(['set', 'allprofiles', 'firewallpolicy', 'blockinbound,blockoutbound']);
    } catch (error) {
      await this.remove();
      throw error;
    }
  }

  async remove(): Promise<boolean> {
    if (!existsSync(this.#policy)) return false;
    await this.#netsh(['import', this.#policy]);
    await this.#host.run(SCHTASKS, ['/Delete', '/TN', TASK, '/F'], OPTIONS);
    rmSync(this.#policy, { force: true });
    rmSync(this.#task, { force: true });
    return true;
  }

  #netsh(args: readonly string[]): Promise<string> {
    return runOrStop(this.#host, NETSH, ['advfirewall', ...args], OPTIONS);
  }
}

/** The allowed traffic, as arguments of `netsh advfirewall firewall add rule`. */
export function isolationRules({ gateways, resolvers, allowed }: AllowList): string[][] {
  const rule = (dir: 'in' | 'out', ...rest: string[]): string[] => [
    `dir=${dir}`,
    'action=allow',
    'profile=any',
    ...rest,
  ];
  const blocks = allowed.map(formatNetworkAddress).join(',');
  return [
    ...gateways.map(({ address, port }) =>
      rule('out', 'protocol=TCP', `remoteip=${address.address}`, `remoteport=${port}`),
    ),
    ...resolvers.flatMap(({ address }) =>
      ['UDP', 'TCP'].map((protocol) => rule('out', `protocol=${protocol}`, `remoteip=${address}`, 'remoteport=53')),
    ),
    ...(blocks === ''
      ? []
      : [rule('in', 'protocol=any', `remoteip=${blocks}`), rule('out', 'protocol=any', `remoteip=${blocks}`)]),
    rule('out', 'protocol=UDP', 'localport=68', 'remoteport=67'),
    rule('out', 'protocol=UDP', 'localport=546', 'remoteport=547'),
    // Neighbor discovery (RFC 4861) uses types 133 to 136.
    ...[133, 134, 135, 136].flatMap((type) =>
      (['in', 'out'] as const).map((dir) => rule(dir, `protocol=icmpv6:${type},any`)),
    ),
  ];
}

/** An XML task: its time format does not depend on the language of Windows. */
export function releaseTask(policy: string, at: Date): string {
  const start = at.toISOString().replace(/\.\d+Z$/, 'Z');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    `  <Triggers><TimeTrigger><StartBoundary>${start}</StartBoundary></TimeTrigger></Triggers>`,
    '  <Principals><Principal id="system"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>',
    '  <Settings><StartWhenAvailable>true</StartWhenAvailable><DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>',
    '    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries><RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable></Settings>',
    '  <Actions Context="system"><Exec>',
    `    <Command>${escapeXml(NETSH)}</Command>`,
    `    <Arguments>advfirewall import "${escapeXml(policy)}"</Arguments>`,
    '  </Exec></Actions>',
    '</Task>',
    '',
  ].join('\r\n');
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
