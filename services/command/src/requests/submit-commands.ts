import { findAction, UNDO_ACTION } from '@muster/actions';
import {
  messagingAttributes,
  traced,
  type CommandReply,
  type CommandRequest,
  type SubmitCommand,
  type Traced,
} from '@muster/messages';
import { AppError, newCommandId, type Binding, type CommandId, type OrgId } from '@muster/protocol';
import { writeFailure } from '@muster/service-base';
import { encodeNumberSet, STREAMS, type CommandRecord, type SubmittedEntry } from '@muster/records';
import type { Clock, Tracer } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import { type CommandKeys, commandClaims } from '../signing/command-keys.js';
import type { TargetTrees } from '../signing/target-trees.js';
import { askedBy, checkCaller, checkExpiry, checkReason, checkReach, personOf } from './check-request.js';
import { ofRows, type FrozenTargets } from './expand-target.js';
import { authorise, planCommand, planReply, type PlanDeps } from './plan-command.js';
import type { FreshRoutes } from '../deliveries/routes.js';

export interface SubmitCommandsOptions extends PlanDeps {
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly projection: Pick<JournalProjection, 'load' | 'summary' | 'byRequestKey' | 'firstOf' | 'folded'>;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly trees: Pick<TargetTrees, 'of' | 'drop'>;
  readonly keys: Pick<CommandKeys, 'sign' | 'checkUnapproved'>;
  readonly freshRoutes: Pick<FreshRoutes, 'keep' | 'take'>;
}

const JOURNAL_SPAN = messagingAttributes(STREAMS.commands.name);

type SubmitRequest = SubmitCommand & Traced;
type UndoCommand = CommandRequest & Traced & { readonly t: 'undo' };
/** What the kind of the request decides about the command. */
type Draft = Pick<CommandRecord, 'action' | 'params' | 'timeoutMs' | 'rollout' | 'approval' | 'undoes'>;

/** Creates commands: check, freeze the targets, sign, write to the journal, and only then reply. */
export class SubmitCommands {
  readonly #options: SubmitCommandsOptions;

  constructor(options: SubmitCommandsOptions) {
    this.#options = options;
  }

  /** @throws AppError what {@link planCommand} and {@link CommandKeys.sign} throw; `broker_unavailable`, `too_large`. */
  async submit(request: SubmitRequest): Promise<CommandReply> {
    const earlier = this.#earlier(request.org, request.requestKey);
    if (earlier !== undefined) return earlier;
    const { action, params, targets, timeoutMs, rollout, approval } = await planCommand(this.#options, request);
    return this.#write(targets, request, {
      ...{ action: action.name, params, timeoutMs },
      ...(rollout === undefined ? {} : { rollout }),
      ...(approval === undefined ? {} : { approval }),
    });
  }

  /** @throws AppError what {@link planCommand} throws. */
  async plan(request: CommandRequest & { readonly t: 'plan' }): Promise<CommandReply> {
    return planReply(await planCommand(this.#options, request));
  }

  /**
   * Submits the undo of a command to the endpoints on which it succeeded.
   * @throws AppError `not_found`, `not_undoable`, `forbidden`, and what {@link submit} throws.
   */
  async undo(request: UndoCommand): Promise<CommandReply> {
    const { org, caller, id, expiresInMs, reason, requestKey } = request;
    checkCaller(org, caller, 'commands:run');
    checkExpiry(expiresInMs);
    checkReason(reason);
    const earlier = this.#earlier(org, requestKey);
    if (earlier !== undefined) return earlier;
    const undone = await this.#options.projection.load(org, id);
    if (undone === undefined) throw noCommand(id);
    const rows = undoRows(undone);
    const endpoints = checkReach(
      this.#options.directory,
      undone,
      caller.bound,
      rows.map(({ num }) => num),
    );
    const action = findAction(UNDO_ACTION);
    if (action === undefined) throw new Error(`the catalogue has no ${UNDO_ACTION}`);
    const routes = await this.#options.routes.of(org, endpoints);
    const targets = ofRows(rows, endpoints, routes, `${rows.length} of ${id}`);
    const approval = authorise(this.#options.policy(), request, action, targets);
    return this.#write(targets, request, {
      ...{ action: UNDO_ACTION, params: { command: id }, timeoutMs: action.timeoutMs, undoes: id },
      ...(approval === undefined ? {} : { approval }),
    });
  }

  async #write(targets: FrozenTargets, request: SubmitRequest | UndoCommand, draft: Draft): Promise<CommandReply> {
    const { clock, tracer, writer, trees, projection, freshRoutes } = this.#options;
    const record = recordOf(request, draft, targets, clock.now());
    const draftEntry =
      record.approval === undefined ? await this.#signed(record, targets) : this.#unsigned(record, targets);
    const selector = request.t === 'submit' && 'selector' in request.target ? request.target.selector : undefined;
    const entry: SubmittedEntry = { ...draftEntry, asked: askedBy(request.caller, selector) };
    freshRoutes.keep(record.id, targets.routes);
    const span = tracer.part('command journal', record.traceparent, { kind: 'producer', attributes: JOURNAL_SPAN });
    const result = await writer.append(record, entry);
    span.end(result.kind === 'appended' ? undefined : result.kind);
    if (result.kind !== 'appended') freshRoutes.take(record.id);
    if (result.kind === 'too_large') {
      trees.drop(record.id);
      throw new AppError('too_large', 'the command is larger than the journal takes; use fewer targets or rows', {
        details: { bytes: result.bytes },
      });
    }
    if (result.kind !== 'appended') throw unacknowledged(result, record.id);
    // Of two commands with one request key the later one in the journal is void; the reply then has the first.
    if (!(await projection.folded(result.seq)))
      throw new AppError('broker_unavailable', `command ${record.id} is kept, but the journal cannot be read now`);
    const first = projection.firstOf(record.id);
    const command = projection.summary(record.org, first ?? record.id);
    if (command === undefined) throw noCommand(record.id);
    return { t: 'command', command, repeated: first !== undefined };
  }

  async #signed(record: CommandRecord, { count, connected }: FrozenTargets): Promise<SubmittedEntry> {
    const { clock, tracer, trees, keys } = this.#options;
    const nowMs = clock.now();
    const span = tracer.part('command sign', record.traceparent, { attributes: { 'muster.command.targets': count } });
    const signature = keys.sign(commandClaims(record, await trees.of(record), { nowMs }));
    span.end();
    const released = record.rollout === undefined ? count : Math.min(record.rollout.canary, count);
    const sent = firstNumbers(Math.min(connected, released));
    return { t: 'submitted', atMs: record.submittedAtMs, record, signature, released, sent };
  }

  /** Waits for an approval. What could not be signed afterwards is refused now. */
  #unsigned(record: CommandRecord, { count }: FrozenTargets): SubmittedEntry {
    const { clock, keys } = this.#options;
    keys.checkUnapproved(commandClaims(record, { root: new Uint8Array(32), size: count }, { nowMs: clock.now() }));
    return { t: 'submitted', atMs: record.submittedAtMs, record };
  }

  #earlier(org: OrgId, requestKey: string | undefined): CommandReply | undefined {
    const { projection } = this.#options;
    const id = requestKey === undefined ? undefined : projection.byRequestKey(requestKey);
    const command = id === undefined ? undefined : projection.summary(org, id);
    return command === undefined ? undefined : { t: 'command', command, repeated: true };
  }
}

export function firstNumbers(last: number): Uint8Array {
  return encodeNumberSet(Array.from({ length: last }, (_, i) => i + 1));
}

export function noCommand(id: CommandId): AppError {
  return new AppError('not_found', `there is no command ${id}`, { details: { id } });
}

/** The error for an entry that may or may not be in the journal: the caller must be able to repeat the request safely. */
export function unacknowledged(
  result:
    | { readonly kind: 'conflict' }
    | { readonly kind: 'unavailable'; readonly maybeStored: boolean; readonly cause: Error },
  id: CommandId,
): AppError {
  if (result.kind === 'conflict')
    return new AppError('conflict', `command ${id} has changed meanwhile`, { details: { id } });
  const message = result.maybeStored
    ? `the journal did not acknowledge command ${id}; it may be kept: repeat the request with the same Idempotency-Key`
    : 'the journal cannot be written now; nothing was done';
  return writeFailure(message, result.cause, { id });
}

function recordOf(
  { org, caller, dryRun, expiresInMs, reason, requestKey, traceparent }: SubmitRequest | UndoCommand,
  draft: Draft,
  { list, text }: FrozenTargets,
  nowMs: number,
): CommandRecord {
  return {
    ...draft,
    ...{ id: newCommandId(nowMs), org, dryRun, target: text, targets: list },
    operator: { ...personOf(caller), role: caller.role },
    ...(reason === undefined ? {} : { reason }),
    ...(requestKey === undefined ? {} : { requestKey }),
    ...traced({ traceparent }),
    ...{ submittedAtMs: nowMs, expiresAtMs: nowMs + expiresInMs },
  };
}

/** One row for each target that succeeded. Its target number tells the endpoint what to undo. */
function undoRows({ id, fold, record }: OpenCommand): { readonly num: number; readonly binding: Binding }[] {
  const refuse = (why: string): AppError => new AppError('not_undoable', `command ${id} ${why}`, { details: { id } });
  if (findAction(record.action)?.reversible !== true) throw refuse(`ran ${record.action}, which cannot be undone`);
  if (record.dryRun) throw refuse('was a dry run and changed nothing');
  const rows = Array.from(fold.inState('succeeded'), (number) => ({
    num: fold.nums[number - 1] ?? 0,
    binding: { target: number },
  }));
  if (rows.length === 0) throw refuse('has not succeeded on any endpoint');
  return rows;
}
