import type { Directory } from '@muster/directory';
import type { CommandReport } from '@muster/messages';
import { isCommandId, isOrgId, type GatewayId } from '@muster/protocol';
import type { OpenCommand } from '../journal/open-command.js';

/** A report, and the gateway that gets the acknowledgement. */
export interface ReceivedReport {
  readonly report: CommandReport;
  readonly gateway: GatewayId;
}

/** Whether the agent whose session sent the report is the agent of that target. */
export function isFromTarget(
  { number, num, agentId, org: from }: CommandReport,
  { fold, org }: OpenCommand,
  directory: Pick<Directory, 'byNum'>,
): boolean {
  const target = fold.nums[number - 1];
  return target !== undefined && target === num && from === org && directory.byNum(target)?.agentId === agentId;
}

/** Gateways check what agents send; this checks what any other client of the broker sends. The ids become part of a subject. */
export function isWellFormed({ id, org, number }: CommandReport): boolean {
  return isCommandId(id) && isOrgId(org) && Number.isSafeInteger(number);
}
