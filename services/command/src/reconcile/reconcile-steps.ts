import { isTerminal, type GatewayId } from '@muster/protocol';
import { encodeNumberSet, type CancelEntry, type JournalEntry } from '@muster/records';
import type { Directory, Endpoint } from '@muster/directory';
import { traceIdOf, type Clock, type Logger } from '@muster/runtime';
import { SYSTEM } from '@muster/audit';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { Routes } from '../deliveries/routes.js';
import { hasNoRoom } from '../journal/no-room.js';
import { changesOf, overdue } from './deadlines.js';
import type { DeliverySender } from '../deliveries/delivery-sender.js';
import { CHECK_MS, ON_ENDPOINTS, type ReconciledCommand } from './reconciled-command.js';
import { nextStep, waveSize } from './rollout.js';

export interface ReconcileStepsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly projection: Pick<JournalProjection, 'folded'>;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly routes: Pick<Routes, 'of'>;
  readonly deliveries: Pick<DeliverySender, 'deliver' | 'cancel'>;
  readonly audit: Pick<CommandAudit, 'delivered'>;
  /** For how long this service hears what is sent over the broker, can keep it in the journal, and knows the time. */
  readonly hearsForMs: () => number;
}

/** The reconciler tries again, so an append is not retried for long. */
const PATIENCE_MS = 2_000;
/** How often endpoints with overdue reports are looked up, while some are away. */
const AWAY_LOOK_MS = 10_000;

/** The steps on one command. Decisions are written to the journal, and take effect when they are read back from it. */
export class ReconcileSteps {
  readonly #options: ReconcileStepsOptions;

  constructor(options: ReconcileStepsOptions) {
    this.#options = options;
  }

  /** Does what is due: writes `sent` entries, delivers to targets that are sent, cancels on agents. */
  async apply(reconciled: ReconciledCommand): Promise<void> {
    if (reconciled.toSend.size > 0) await this.#send(reconciled);
    if (reconciled.toDeliver.size > 0) await this.#deliver(reconciled);
    if (reconciled.toCancel.size > 0) await this.#cancel(reconciled);
  }

  /** Looks up the agents of queued targets. When the registry cannot be asked, all are sent to, by broadcast. */
  async look(reconciled: ReconciledCommand): Promise<void> {
    const { command } = reconciled;
    reconciled.looked(this.#options.clock.now());
    if (!command.isRunning) return void (reconciled.lookMs = Number.POSITIVE_INFINITY);
    const waiting = Array.from(command.fold.inState('queued')).filter((target) => target <= command.fold.released);
    if (waiting.length === 0) return void (reconciled.lookMs = Number.POSITIVE_INFINITY);
    const endpoints = waiting.flatMap((target) => this.#endpoint(command, target) ?? []);
    const found = await this.#options.routes.of(command.org, endpoints);
    for (const target of waiting) {
      const route = found?.get(command.fold.nums[target - 1] ?? 0);
      if (route !== undefined || found === undefined) reconciled.toSend.set(target, route?.gateway);
    }
  }

  retry(reconciled: ReconciledCommand): void {
    const { fold } = reconciled.command;
    reconciled.tried(this.#options.clock.now());
    const isCancelled = fold.cancel !== undefined;
    let open = 0;
    for (const target of fold.inState(...ON_ENDPOINTS)) {
      const isKnown = fold.state(target) !== 'sent' && !hasNoRoom(fold, target);
      if (isKnown && !isCancelled && !reconciled.toOffer.has(target)) continue;
      open += 1;
      if (reconciled.polled.has(target) && !reconciled.triesPolled) continue;
      const due = isCancelled ? reconciled.toCancel : reconciled.toDeliver;
      // Who was just announced is not looked up.
      if (!due.has(target)) due.set(target, undefined);
    }
    if (open === 0) reconciled.retryMs = Number.POSITIVE_INFINITY;
  }

  /** Checks what depends on the time: expiry, missing reports, the next wave of a rollout. */
  async check(reconciled: ReconciledCommand): Promise<void> {
    const { clock, hearsForMs } = this.#options;
    const { fold, record } = reconciled.command;
    const nowMs = clock.now();
    reconciled.checkMs = nextCheck(reconciled.command, nowMs);
    if (fold.status === 'awaiting_approval') {
      if (nowMs >= record.expiresAtMs)
        await this.#giveUp(reconciled, 'not_approved', 'nobody approved it before it expired');
      return;
    }
    const due = overdue(fold, nowMs, { sinceMs: nowMs - hearsForMs(), arrivedMs: reconciled.arrivedMs });
    const silent = [...due.silent, ...(await this.#silent(reconciled, due.late))];
    const changes = changesOf({ ...due, silent });
    if (changes.length > 0) {
      // Only if no other entry came first: a target that was just sent must not be expired as never tried.
      await this.#append(reconciled.command, { t: 'states', atMs: nowMs, changes }, reconciled.command.lastSeq);
    } else if (record.rollout !== undefined && fold.cancel === undefined) await this.#roll(reconciled, nowMs);
  }

  /** Those of the late targets whose endpoints have a session, and could report. The others are noted as away. */
  async #silent(reconciled: ReconciledCommand, late: readonly number[]): Promise<readonly number[]> {
    const { command, away } = reconciled;
    const nowMs = this.#options.clock.now();
    if (late.length === 0 || nowMs < reconciled.awayLookMs) return [];
    reconciled.awayLookMs = nowMs + AWAY_LOOK_MS;
    const endpoints = new Map(late.map((target) => [target, this.#endpoint(command, target)]));
    const found = await this.#options.routes.of(
      command.org,
      [...endpoints.values()].flatMap((each) => each ?? []),
    );
    if (found === undefined) return [];
    return late.filter((target) => {
      const endpoint = endpoints.get(target);
      // Its identity is gone: nobody can report for it any more.
      if (endpoint === undefined) return true;
      if (!found.has(endpoint.num)) away.add(target);
      else if (away.has(target)) reconciled.arrived(target, nowMs);
      else return true;
      return false;
    });
  }

  async #roll(reconciled: ReconciledCommand, nowMs: number): Promise<void> {
    const { command, absent, away } = reconciled;
    const rollout = command.record.rollout;
    if (rollout === undefined) return;
    const step = nextStep(command.fold, rollout, { nowMs, absent: absent.size, away: away.size });
    if (step.kind === 'abort') await this.#giveUp(reconciled, 'rollout_aborted', step.message);
    if (step.kind === 'release')
      await this.#append(command, { t: 'released', atMs: nowMs, upTo: step.upTo }, command.lastSeq);
    if (reconciled.heldBack && roomInWave(reconciled) > 0) {
      reconciled.heldBack = false;
      reconciled.lookSoon(nowMs);
    }
  }

  async #giveUp({ command }: ReconciledCommand, code: string, message: string): Promise<void> {
    const entry: CancelEntry = { t: 'cancel', atMs: this.#options.clock.now(), by: SYSTEM, code, message };
    this.#options.logger.info('command given up', {
      ...{ command: command.id, code },
      traceId: traceIdOf(command.record.traceparent),
    });
    await this.#append(command, entry, command.lastSeq);
  }

  async #send(reconciled: ReconciledCommand): Promise<void> {
    const { command } = reconciled;
    const { fold, record } = command;
    const nowMs = this.#options.clock.now();
    const candidates = reconciled.toSend;
    reconciled.toSend = new Map();
    if (!command.isRunning || nowMs >= record.expiresAtMs) return;
    const targets: number[] = [];
    const room = roomInWave(reconciled);
    for (const [target, gateway] of candidates) {
      if (fold.state(target) !== 'queued' || target > fold.released) continue;
      if (targets.length >= room) {
        reconciled.heldBack = true;
        break;
      }
      targets.push(target);
      if (gateway !== undefined) reconciled.hints.set(target, gateway);
    }
    if (targets.length === 0) return;
    const change = { state: 'sent', targets: encodeNumberSet(targets), code: '', message: '' } as const;
    const isFolded = await this.#append(command, { t: 'states', atMs: nowMs, changes: [change] });
    for (const target of targets) reconciled.hints.delete(target);
    if (!isFolded) reconciled.lookMs = Math.min(reconciled.lookMs, nowMs + CHECK_MS);
  }

  async #deliver(reconciled: ReconciledCommand): Promise<void> {
    const { deliveries, audit } = this.#options;
    const { command } = reconciled;
    const targets = stillOpen(command, reconciled.toDeliver);
    reconciled.toDeliver = new Map();
    if (command.fold.cancel !== undefined) {
      for (const [target, gateway] of targets) reconciled.toCancel.set(target, gateway);
      return;
    }
    if (targets.size === 0) return;
    const done = await deliveries.deliver(command, targets);
    noteAbsent(reconciled, done.absent);
    const absent = new Set(done.absent);
    for (const target of targets.keys()) if (!absent.has(target)) reconciled.toOffer.delete(target);
    for (const target of done.polled) reconciled.polled.add(target);
    if (reconciled.fresh > 0) audit.delivered(command, done.targets, done.gateways, done.broadcast);
    reconciled.fresh = 0;
  }

  async #cancel(reconciled: ReconciledCommand): Promise<void> {
    const targets = stillOpen(reconciled.command, reconciled.toCancel);
    reconciled.toCancel = new Map();
    if (targets.size === 0) return;
    const done = await this.#options.deliveries.cancel(reconciled.command, targets);
    noteAbsent(reconciled, done.absent);
  }

  /** True when the entry was read back from the journal, whether or not it changed anything. */
  async #append(command: OpenCommand, entry: JournalEntry, after?: number): Promise<boolean> {
    const { writer, projection } = this.#options;
    const result = await writer.append(command, entry, {
      patienceMs: PATIENCE_MS,
      ...(after === undefined ? {} : { after }),
    });
    if (result.kind !== 'appended') return false;
    return projection.folded(result.seq);
  }

  #endpoint({ fold }: OpenCommand, target: number): Endpoint | undefined {
    return this.#options.directory.byNum(fold.nums[target - 1] ?? 0);
  }
}

function roomInWave({ command: { fold, record }, absent, away }: ReconciledCommand): number {
  if (record.rollout === undefined) return Number.POSITIVE_INFINITY;
  const { sent, accepted, running } = fold.ledger;
  return waveSize(fold, record.rollout) - (sent + accepted + running - absent.size - away.size);
}

function stillOpen(
  { fold }: OpenCommand,
  targets: ReadonlyMap<number, GatewayId | undefined>,
): Map<number, GatewayId | undefined> {
  const open = new Map<number, GatewayId | undefined>();
  for (const [target, gateway] of targets) {
    const state = fold.state(target);
    if (state !== 'queued' && !isTerminal(state)) open.set(target, gateway);
  }
  return open;
}

/** Targets that no gateway holds and that have not been accepted do not hold up a rollout. */
function noteAbsent({ absent, command }: ReconciledCommand, targets: readonly number[]): void {
  for (const target of targets) if (command.fold.state(target) === 'sent') absent.add(target);
}

function nextCheck({ fold, record }: OpenCommand, nowMs: number): number {
  const { sent, accepted, running } = fold.ledger;
  const isBusy = sent + accepted + running > 0 || record.rollout !== undefined || nowMs >= record.expiresAtMs;
  return isBusy ? nowMs + CHECK_MS : record.expiresAtMs;
}
