import { ROLES } from '@muster/identity';
import type { CommandCaller, CommandReply, CommandRequest, CommandSummary } from '@muster/messages';
import { AppError, type CommandId, type OrgId } from '@muster/protocol';
import { type SignedEntry, encodeNumberSet } from '@muster/records';
import type { Directory } from '@muster/directory';
import type { Clock } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { Routes } from '../deliveries/routes.js';
import { type CommandKeys, commandClaims } from '../signing/command-keys.js';
import type { TargetTrees } from '../signing/target-trees.js';
import { checkCaller, checkReason, checkReach } from './check-request.js';
import { noCommand, unacknowledged } from './submit-commands.js';

export interface ManageCommandsOptions {
  readonly clock: Clock;
  readonly projection: Pick<JournalProjection, 'get' | 'summary' | 'list' | 'folded'>;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly routes: Pick<Routes, 'of'>;
  readonly trees: Pick<TargetTrees, 'of'>;
  readonly keys: Pick<CommandKeys, 'sign'>;
}

type Request<T extends CommandRequest['t']> = CommandRequest & { readonly t: T };

/** Requests about commands that exist: list, approve, cancel. */
export class ManageCommands {
  readonly #options: ManageCommandsOptions;

  constructor(options: ManageCommandsOptions) {
    this.#options = options;
  }

  list({ org, before, limit, status }: Request<'list'>): CommandReply {
    const commands = this.#options.projection.list(org, {
      limit: Math.min(Math.max(Math.trunc(limit), 1), MAX_LIST),
      ...(before === undefined ? {} : { before }),
      ...(status === undefined ? {} : { status }),
    });
    return { t: 'list', commands };
  }

  /**
   * Approves a command as the second person. It is signed with both names, and starts.
   * @throws AppError `not_found`, `conflict`, `self_approval`, `forbidden`, `broker_unavailable`.
   */
  async approve({ org, caller, id }: Request<'approve'>): Promise<CommandReply> {
    checkCaller(org, caller);
    const command = this.#open(org, id);
    this.#checkApprover(command, caller);
    const entry = await this.#signed(command, caller);
    await this.#append(command, entry);
    if (command.fold.signature?.jws !== entry.signature.jws) throw notWaiting(command);
    return this.#reply(org, id);
  }

  /**
   * Cancels a command: queued targets end at once, agents of the others are told. A repetition changes nothing.
   * @throws AppError `not_found`, `conflict` when it has ended, `forbidden`, `broker_unavailable`.
   */
  async cancel({ org, caller, id, reason }: Request<'cancel'>): Promise<CommandReply> {
    checkCaller(org, caller);
    checkReason(reason);
    const command = this.#open(org, id);
    const { fold } = command;
    if (fold.cancel !== undefined) return this.#reply(org, id);
    if (caller.id !== fold.record.operator.id) checkReach(this.#options.directory, command, caller.bound, fold.nums);
    const isRejected = fold.status === 'awaiting_approval' && caller.id !== fold.record.operator.id;
    await this.#append(command, {
      t: 'cancel',
      atMs: this.#options.clock.now(),
      by: { id: caller.id, name: caller.name },
      code: isRejected ? 'rejected' : 'cancelled',
      message: reason ?? '',
    });
    // The last outcome came before the cancellation.
    if (fold.cancel === undefined) throw hasEnded(id);
    return this.#reply(org, id);
  }

  #open(org: OrgId, id: CommandId): OpenCommand {
    const command = this.#options.projection.get(id);
    if (command?.org === org) return command;
    throw this.#options.projection.summary(org, id) === undefined ? noCommand(id) : hasEnded(id);
  }

  #checkApprover(command: OpenCommand, caller: CommandCaller): void {
    const { fold, record, id } = command;
    const role = record.approval?.role ?? 'responder';
    if (fold.status !== 'awaiting_approval') throw notWaiting(command);
    if (this.#options.clock.now() >= record.expiresAtMs) {
      throw new AppError('conflict', `command ${id} has expired`, { details: { id } });
    }
    if (isSamePerson(caller, record.operator)) {
      throw new AppError('self_approval', `command ${id} was ordered by you; another person must approve it`, {
        details: { id },
      });
    }
    if (ROLES.indexOf(caller.role) < ROLES.indexOf(role)) {
      throw new AppError('forbidden', `approving command ${id} needs the role ${role}`, {
        details: { id, needed: role },
      });
    }
    checkReach(this.#options.directory, command, caller.bound, fold.nums);
  }

  async #signed({ org, record, fold, id }: OpenCommand, caller: CommandCaller): Promise<SignedEntry> {
    const { clock, trees, keys, routes, directory } = this.#options;
    const released =
      record.rollout === undefined ? fold.nums.length : Math.min(record.rollout.canary, fold.nums.length);
    const nums = fold.nums.slice(0, released);
    const connected = await routes.of(org, checkReach(directory, { id, org }, '', nums));
    const sent = nums.flatMap((num, i) => (connected?.has(num) === true ? [i + 1] : []));
    const nowMs = clock.now();
    const approver = { id: caller.id, name: caller.name };
    const signature = keys.sign(commandClaims(record, await trees.of(record), { nowMs, approver }));
    return { t: 'signed', atMs: nowMs, signature, released, sent: encodeNumberSet(sent) };
  }

  async #append(command: OpenCommand, entry: Parameters<JournalWriter['append']>[1]): Promise<void> {
    const { writer, projection } = this.#options;
    const result = await writer.append(command, entry);
    if (result.kind === 'too_large') throw new AppError('too_large', 'the entry is larger than the journal takes');
    if (result.kind !== 'appended') throw unacknowledged(result, command.id);
    if (!(await projection.folded(result.seq))) {
      throw new AppError('broker_unavailable', 'it is kept, but the journal cannot be read now');
    }
  }

  #reply(org: OrgId, id: CommandId): CommandReply {
    const command: CommandSummary | undefined = this.#options.projection.summary(org, id);
    if (command === undefined) throw noCommand(id);
    return { t: 'command', command, repeated: false };
  }
}

const MAX_LIST = 500;

/** Two tokens with the same name belong to the same person. */
function isSamePerson(one: { id: string; name: string }, other: { id: string; name: string }): boolean {
  return one.id === other.id || one.name.trim().toLowerCase() === other.name.trim().toLowerCase();
}

function notWaiting({ id, fold }: OpenCommand): AppError {
  const by = fold.signature?.approver?.name;
  const why =
    fold.status === 'ended' ? 'has ended' : by === undefined ? 'does not wait for approval' : `was approved by ${by}`;
  return new AppError('conflict', `command ${id} ${why}`, { details: { id, status: fold.status } });
}

function hasEnded(id: CommandId): AppError {
  return new AppError('conflict', `command ${id} has ended`, { details: { id, status: 'ended' } });
}
