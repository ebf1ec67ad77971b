import type { CommandCaller, CommandReply, CommandRequest, CommandSummary } from '@muster/messages';
import { AppError, type CommandId, type OrgId } from '@muster/protocol';
import { type CancelEntry, type SignedEntry, encodeNumberSet } from '@muster/records';
import type { Directory } from '@muster/directory';
import type { Clock } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { Routes } from '../deliveries/routes.js';
import { type CommandKeys, commandClaims } from '../signing/command-keys.js';
import type { TargetTrees } from '../signing/target-trees.js';
import type { Policy } from './approval-policy.js';
import { checkApproval, notWaiting } from './check-approval.js';
import { askedBy, checkCaller, checkReason, checkReach, personOf } from './check-request.js';
import { noCommand, unacknowledged } from './submit-commands.js';

export interface ManageCommandsOptions {
  readonly clock: Clock;
  readonly projection: Pick<JournalProjection, 'get' | 'summary' | 'list' | 'folded'>;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly routes: Pick<Routes, 'of'>;
  readonly trees: Pick<TargetTrees, 'of'>;
  readonly keys: Pick<CommandKeys, 'sign'>;
  readonly policy: () => Policy;
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
   * Approves a command as the second person. It is signed with both names, and starts. A repetition by the same person changes nothing.
   * @throws AppError `not_found`, `conflict`, `self_approval`, `forbidden`, `too_many_targets`, `broker_unavailable`.
   */
  async approve({ org, caller, id }: Request<'approve'>): Promise<CommandReply> {
    checkCaller(org, caller, 'commands:approve');
    if (this.#options.projection.summary(org, id)?.approver?.id === caller.id) return this.#reply(org, id, true);
    const command = this.#open(org, id);
    this.#check(command, caller);
    const entry = await this.#signed(command, caller);
    await this.#append(command, entry);
    const { signature } = command.fold;
    const isRepeated = signature?.jws !== entry.signature.jws;
    if (isRepeated && signature?.approver?.id !== caller.id) throw notWaiting(command);
    return this.#reply(org, id, isRepeated);
  }

  /**
   * Cancels a command: queued targets end at once, agents of the others are told. A repetition changes nothing.
   * @throws AppError `not_found`, `conflict` when it has ended, `forbidden`, `broker_unavailable`.
   */
  async cancel({ org, caller, id, reason }: Request<'cancel'>): Promise<CommandReply> {
    checkCaller(org, caller, 'commands:cancel');
    checkReason(reason);
    const command = this.#open(org, id);
    const { fold } = command;
    if (fold.cancel !== undefined) return this.#reply(org, id, true);
    if (caller.id !== fold.record.operator.id) checkReach(this.#options.directory, command, caller.bound, fold.nums);
    const isRejected = fold.status === 'awaiting_approval' && caller.id !== fold.record.operator.id;
    const entry: CancelEntry = {
      t: 'cancel',
      atMs: this.#options.clock.now(),
      asked: askedBy(caller),
      by: { id: caller.id, name: caller.name },
      code: isRejected ? 'rejected' : 'cancelled',
      message: reason ?? '',
    };
    await this.#append(command, entry);
    // The last outcome came before the cancellation.
    const won = command.fold.cancel;
    if (won === undefined) throw hasEnded(id);
    return this.#reply(org, id, won.atMs !== entry.atMs || won.by.id !== caller.id);
  }

  #open(org: OrgId, id: CommandId): OpenCommand {
    const command = this.#options.projection.get(id);
    if (command?.org === org) return command;
    throw this.#options.projection.summary(org, id) === undefined ? noCommand(id) : hasEnded(id);
  }

  #check(command: OpenCommand, caller: CommandCaller): void {
    const { policy, directory, clock } = this.#options;
    checkApproval(command, caller, { policy: policy(), directory, nowMs: clock.now() });
  }

  async #signed(command: OpenCommand, caller: CommandCaller): Promise<SignedEntry> {
    const { clock, trees, keys, routes, directory } = this.#options;
    const { org, record, fold, id } = command;
    const released =
      record.rollout === undefined ? fold.nums.length : Math.min(record.rollout.canary, fold.nums.length);
    const nums = fold.nums.slice(0, released);
    const connected = await routes.of(org, checkReach(directory, { id, org }, '', nums));
    const sent = nums.flatMap((num, i) => (connected?.has(num) === true ? [i + 1] : []));
    const tree = await trees.of(record);
    // The policy may have changed while the targets were gathered. From here to the signature nothing waits.
    this.#check(command, caller);
    const nowMs = clock.now();
    const signature = keys.sign(commandClaims(record, tree, { nowMs, approver: personOf(caller) }));
    return { t: 'signed', atMs: nowMs, asked: askedBy(caller), signature, released, sent: encodeNumberSet(sent) };
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

  #reply(org: OrgId, id: CommandId, repeated = false): CommandReply {
    const command: CommandSummary | undefined = this.#options.projection.summary(org, id);
    if (command === undefined) throw noCommand(id);
    return { t: 'command', command, repeated };
  }
}

const MAX_LIST = 500;

function hasEnded(id: CommandId): AppError {
  return new AppError('conflict', `command ${id} has ended`, { details: { id, status: 'ended' } });
}
