import type { CommandFold } from '@muster/records';
import type { CommandSummary } from './command-requests.js';

/** A command without its targets: what lists show, and what is left in memory of one that has ended. */
export function summaryOf(fold: CommandFold): CommandSummary {
  const { targets: _targets, requestKey: _requestKey, ...record } = fold.record;
  const { signature, cancel, endedAtMs } = fold;
  return {
    record,
    status: fold.status,
    ledger: fold.ledger,
    released: fold.released,
    ...(signature?.approver === undefined ? {} : { approver: signature.approver }),
    ...(cancel === undefined
      ? {}
      : { cancel: { by: cancel.by, code: cancel.code, message: cancel.message, atMs: cancel.atMs } }),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
  };
}
