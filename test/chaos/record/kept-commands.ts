import type { AuditLinkJson, CommandJson, CommandTargetJson } from '@muster/api-contract';
import type { Harness } from '../../kit/harness.js';
import type { JournaledTarget } from '../../simulator/index.js';

export type KeptTarget = JournaledTarget & Pick<CommandTargetJson, 'effects' | 'late'>;

/** All commands as they are kept, and what the audit chain says of them. */
export interface KeptCommands {
  readonly commands: readonly CommandJson[];
  readonly targets: readonly KeptTarget[];
  readonly chain: readonly AuditLinkJson[];
}

const READERS = 8;

export async function readKeptCommands({ api }: Harness): Promise<KeptCommands> {
  const commands = await api.all('GET /v1/commands', { pageSize: 200 });
  const targets: KeptTarget[] = [];
  const left = commands.values();
  const read = async (): Promise<void> => {
    for (const { id } of left) {
      const items = await api.all('GET /v1/commands/{id}/targets', { params: { id }, pageSize: 100 });
      targets.push(...items.map((target) => ({ ...target, agentId: target.agentId ?? '', command: id })));
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  const chain: AuditLinkJson[] = [];
  for await (const link of api.lines('GET /v1/audit/chain')) chain.push(link);
  return { commands, targets, chain };
}
