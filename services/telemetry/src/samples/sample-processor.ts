import type { Directory } from '@muster/directory';
import { deltaHead, MalformedBytes, metricsPartition, SampleScanner } from '@muster/host-metrics';
import type { SampleItem, SessionsEnded } from '@muster/messages';
import { FRAME, LIMITS, type AgentId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { EndpointTable } from './endpoint-table.js';
import { COUNTERS, VITALS, VitalsReader, type Before, type ValueFault } from './vitals.js';

/** What became of a frame. All but `keyframe` and `delta` are dropped. */
export type FrameResult =
  | 'keyframe'
  | 'delta'
  /** Only viewers use these. */
  | 'processes'
  | 'repeated'
  | 'stale_session'
  | 'no_keyframe'
  | 'malformed'
  | 'unknown_endpoint'
  | 'wrong_partition'
  | 'too_many_endpoints'
  /** What endpoints sent takes as much memory as it may. */
  | 'no_room';

/** Told before and after the vitals of a slot change, and that an endpoint is new in its slot. */
export interface SlotObserver {
  begin(slot: number): void;
  leave(slot: number): void;
  join(slot: number): void;
}

/** A sample that was received so much later than the one before, and came with it, was sent again. */
const RESENT_MS = 1_000;

export interface SampleProcessorOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'now'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly table: EndpointTable;
  readonly maxEndpoints: number;
  readonly observer: SlotObserver;
  readonly onValueFault: (fault: ValueFault) => void;
  /** This endpoint's keyframe was lost. */
  readonly onNoKeyframe: (agentId: AgentId) => void;
}

/**
 * Puts frames into the table. What an older session sent is not believed, and neither is what is older than what is known. It never throws
 * for anything that an endpoint or a gateway sent.
 */
export class SampleProcessor {
  readonly #options: SampleProcessorOptions;
  readonly #scanner = new SampleScanner();
  readonly #reader: VitalsReader;
  /** Reused: one object less for each sample. */
  readonly #before: { readonly counters: Float64Array; atMs: number; receivedMs: number } = {
    ...{ counters: new Float64Array(COUNTERS), atMs: 0, receivedMs: 0 },
  };

  constructor(options: SampleProcessorOptions) {
    this.#options = options;
    this.#reader = new VitalsReader(options.onValueFault);
  }

  /** A session is over. Its endpoint is not forgotten: it opens another one in a moment, or its sample expires. */
  ended(item: SessionsEnded['items'][number]): void {
    if (!Array.isArray(item)) return;
    const { table } = this.#options;
    const [, , num, epoch] = item;
    const slot = table.slotOf(num);
    if (slot !== undefined && table.epochs[slot] === epoch) table.ended[slot] = 1;
  }

  process(item: SampleItem, partition: number): FrameResult {
    if (!isWellFormed(item)) return 'malformed';
    const [org, agentId, num, epoch, type] = item;
    const { directory, table, maxEndpoints } = this.#options;
    const endpoint = directory.byNum(num);
    if (endpoint === undefined || endpoint.agentId !== agentId || endpoint.org !== org) return 'unknown_endpoint';
    if (endpoint.revoked !== undefined) return 'unknown_endpoint';
    const slot = table.slotOf(num);
    if (slot === undefined) {
      if (metricsPartition(agentId) !== partition) return 'wrong_partition';
      if (table.size >= maxEndpoints) return 'too_many_endpoints';
    } else if (epoch < (table.epochs[slot] as number)) return 'stale_session';
    // Also of one that comes again: the interval may have changed since.
    else if (epoch === table.epochs[slot]) table.everyMs[slot] = item[7] ?? 0;
    try {
      if (type === FRAME.keyframe) return this.#keyframe(slot, item, partition);
      if (type === FRAME.delta) return this.#delta(slot, item);
      return type === FRAME.processes ? 'processes' : 'malformed';
    } catch (error) {
      if (error instanceof MalformedBytes) return 'malformed';
      throw error;
    }
  }

  #keyframe(known: number | undefined, item: SampleItem, partition: number): FrameResult {
    const [, , num, epoch, , receivedMs, body] = item;
    const { table, observer } = this.#options;
    this.#scanner.scan(body);
    const { seq } = this.#scanner;
    const isSameSession = known !== undefined && table.epochs[known] === epoch;
    // Gateways send a keyframe again to everybody when one instance asks for it.
    if (isSameSession && seq <= (table.seqs[known] as number)) return 'repeated';
    if (!table.fitsKeyframe(known, body.length)) return this.#noRoom(known);
    const slot = known ?? table.add(num, partition);
    if (known === undefined) observer.begin(slot);
    else observer.leave(slot);
    this.#keep(slot, item, isSameSession);
    // A gateway sends what it has to a new owner of the partition. Otherwise clocks that differ must not make a sample old.
    if (known === undefined) table.takenMs[slot] = (table.heardMs[slot] as number) - this.#agoMs(receivedMs);
    table.epochs[slot] = epoch;
    table.everyMs[slot] = item[7] ?? 0;
    table.baseSeqs[slot] = seq;
    table.setKeyframe(slot, body);
    observer.join(slot);
    return 'keyframe';
  }

  #delta(slot: number | undefined, item: SampleItem): FrameResult {
    const [, agentId, , epoch, , receivedMs, body] = item;
    const { table, observer } = this.#options;
    const { seq, baseSeq } = deltaHead(body);
    if (slot === undefined || table.epochs[slot] !== epoch) return this.#noKeyframe(slot, agentId);
    if (seq <= (table.seqs[slot] as number)) return 'repeated';
    if (table.baseSeqs[slot] !== baseSeq) return this.#noKeyframe(slot, agentId);
    if (!table.fitsDelta(slot, body.length)) return this.#noRoom(slot);
    this.#scanner.scan(table.keyframe(slot), body);
    observer.leave(slot);
    const [heardMs, takenMs] = [table.heardMs[slot] as number, table.takenMs[slot] as number];
    const laterMs = receivedMs - (table.receivedMs[slot] as number);
    this.#keep(slot, item, true);
    // It was sent again too, right after its keyframe.
    const nowMs = table.heardMs[slot] as number;
    if (laterMs - (nowMs - heardMs) > RESENT_MS)
      table.takenMs[slot] = Math.min(nowMs - (item[8] ?? 0), takenMs + laterMs);
    table.setDelta(slot, body);
    observer.join(slot);
    return 'delta';
  }

  /** Whoever sends what cannot be kept is not silent. */
  #noRoom(slot: number | undefined): FrameResult {
    const { table, clock } = this.#options;
    if (slot !== undefined) table.heardMs[slot] = clock.monotonic();
    return 'no_room';
  }

  /** It cannot be read without its keyframe, which is asked for where it would have room. */
  #noKeyframe(slot: number | undefined, agentId: AgentId): FrameResult {
    const { table, onNoKeyframe } = this.#options;
    if (!table.fitsNextKeyframe(slot)) return this.#noRoom(slot);
    onNoKeyframe(agentId);
    return 'no_keyframe';
  }

  /** Takes the scanned sample for the newest of this slot. */
  #keep(slot: number, item: SampleItem, isSameSession: boolean): void {
    const [receivedMs, ageMs] = [item[5], item[8] ?? 0];
    const { table, clock } = this.#options;
    const { seq, atMs } = this.#scanner;
    this.#reader.read(this.#scanner, receivedMs, isSameSession ? this.#beforeOf(slot) : undefined);
    const { vitals, counters } = this.#reader;
    for (let i = 0; i < VITALS.length; i += 1) table.vitals[slot * VITALS.length + i] = vitals[i] as number;
    for (let i = 0; i < COUNTERS; i += 1) table.counters[slot * COUNTERS + i] = counters[i] as number;
    table.seqs[slot] = seq;
    table.ended[slot] = 0;
    table.atMs[slot] = atMs;
    table.receivedMs[slot] = receivedMs;
    const nowMs = clock.monotonic();
    const heardMs = table.heardMs[slot] as number;
    table.gapsMs[slot] = isSameSession && heardMs > 0 ? nowMs - heardMs : 0;
    table.heardMs[slot] = nowMs;
    table.takenMs[slot] = nowMs - ageMs;
  }

  #agoMs(receivedMs: number): number {
    return Math.max(0, this.#options.clock.now() - receivedMs);
  }

  #beforeOf(slot: number): Before {
    const { table } = this.#options;
    for (let i = 0; i < COUNTERS; i += 1) this.#before.counters[i] = table.counters[slot * COUNTERS + i] as number;
    this.#before.atMs = table.atMs[slot] as number;
    this.#before.receivedMs = table.receivedMs[slot] as number;
    return this.#before;
  }
}

function isWellFormed(item: unknown): item is SampleItem {
  if (!Array.isArray(item)) return false;
  const body: unknown = item[6];
  if (!(body instanceof Uint8Array) || body.length > LIMITS.sampleBytes) return false;
  for (const ms of [item[7] ?? 0, item[8] ?? 0] as unknown[]) if (typeof ms !== 'number' || !(ms >= 0)) return false;
  return Number.isSafeInteger(item[2]) && Number.isSafeInteger(item[3]) && Number.isSafeInteger(item[5]);
}
