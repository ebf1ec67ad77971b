import { SYSTEM, type AuditTrail, type NewAuditRecord } from '@muster/audit';
import type { CommandCaller, CommandReport, CommandReply, CommandRequest } from '@muster/messages';
import { isOrgId } from '@muster/protocol';
import type { OpenCommand } from './open-command.js';

const ACTIONS = {
  submit: 'command.submit',
  undo: 'command.undo',
  approve: 'command.approve',
  cancel: 'command.cancel',
} as const;

/** The audit records of what the journal does not have. What it has is recorded from it: see `JournalAudit`. */
export class CommandAudit {
  readonly #trail: Pick<AuditTrail, 'record' | 'recordRateLimited'>;

  constructor(trail: Pick<AuditTrail, 'record' | 'recordRateLimited'>) {
    this.#trail = trail;
  }

  /** A request that was refused or failed, or that changed nothing because an earlier one had done it. */
  request(request: CommandRequest, reply: CommandReply): void {
    // The API keeps the record of a pack, and who reads is not kept.
    if (
      request.t === 'list' ||
      request.t === 'policy' ||
      request.t === 'plan' ||
      request.t === 'sign_pack' ||
      !isOrgId(request.org)
    )
      return;
    if (reply.t === 'command' && !reply.repeated) return;
    const { org, caller } = request;
    const isProblem = reply.t === 'problem';
    const command = reply.t === 'command' ? reply.command : undefined;
    const subject = command?.record.id ?? ('id' in request ? request.id : undefined);
    const record: NewAuditRecord = {
      ...by(caller),
      org,
      action: ACTIONS[request.t],
      outcome: !isProblem
        ? 'allowed'
        : reply.code === 'internal' || reply.code === 'broker_unavailable'
          ? 'failed'
          : 'refused',
      ...(subject === undefined ? {} : { subject }),
      ...(isProblem ? { code: reply.code } : {}),
      ...(request.t === 'submit' && 'selector' in request.target ? { scope: request.target.selector } : {}),
      details: {
        ...(request.t === 'submit' ? { action: request.action, params: request.params, dryRun: request.dryRun } : {}),
        ...(request.t === 'undo' ? { undoes: request.id, dryRun: request.dryRun } : {}),
        ...('reason' in request && request.reason !== undefined ? { reason: request.reason } : {}),
        ...(caller.person === undefined ? {} : { person: caller.person }),
        ...(command === undefined ? {} : { status: command.status, targets: command.ledger.targeted }),
        ...(reply.t === 'command' && reply.repeated ? { repeated: true } : {}),
        ...(isProblem ? { message: reply.message } : {}),
      },
    };
    // Nothing was done, however often it is asked.
    this.#trail.record(record, { essential: false });
  }

  delivered(command: OpenCommand, targets: number, gateways: number, broadcast: boolean): void {
    this.#trail.record({
      ...of(command),
      action: 'command.deliver',
      details: { targets, gateways, ...(broadcast ? { broadcast } : {}) },
    });
  }

  /**
   * An endpoint says that it could not verify a command. `doubt`: why nothing confirms that; it is then recorded as a claim of this agent,
   * not as something that happened to the command. Agents can cause any number of these, so they are bounded.
   */
  refusedByAgent(report: CommandReport, doubt?: string): void {
    const { org, agentId, id, number, code, message } = report;
    this.#trail.recordRateLimited({
      org,
      actor: agentId,
      actorName: agentId,
      action: 'command.refused_by_agent',
      outcome: 'refused',
      from: '',
      subject: id,
      code,
      details: { target: number, message, ...(doubt === undefined ? {} : { claim: 'unconfirmed', doubt }) },
    });
  }
}

function by({ id, name, from }: CommandCaller): Pick<NewAuditRecord, 'actor' | 'actorName' | 'from'> {
  return { actor: id, actorName: name, from };
}

function of({ org, id }: OpenCommand) {
  return { org, actor: SYSTEM.id, actorName: SYSTEM.name, outcome: 'allowed', from: '', subject: id } as const;
}
