import { createHash } from 'node:crypto';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type PackChecksReply,
  type PackChecksRequest,
} from '@muster/messages';
import { LIMITS, type OrgId } from '@muster/protocol';
import type { PackReference } from '@muster/records';
import { sleep } from '@muster/runtime';
import { LRUCache } from 'lru-cache';
import type { CapabilityContext } from '../../foundation/capability.js';

/** What is kept of packs that endpoints asked for. */
const CACHE_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 3_000;
const PAUSE_MS = 500;
/** How often a posture service is asked that answers, and does not have them. */
const ATTEMPTS = 5;
/** How long it is tried while none answers: as long as a question may take unless it says more. */
const PATIENCE_MS = 60_000;
const NONE = new Uint8Array();

/**
 * The checks of packs, by their hash: from a posture service once, then from memory. 10,000 endpoints that ask at the
 * same moment are one request, which goes on while no posture service is there. Empty when nobody has them; what the
 * hash does not fit is never passed on.
 */
export class PackSource {
  readonly #options: Pick<CapabilityContext, 'bus' | 'clock' | 'logger'>;
  readonly #known = new LRUCache<string, Uint8Array>({ maxSize: CACHE_BYTES, sizeCalculation: ({ length }) => length });
  readonly #asked = new Map<string, Promise<Uint8Array>>();

  constructor(options: Pick<CapabilityContext, 'bus' | 'clock' | 'logger'>) {
    this.#options = options;
  }

  checksOf(org: OrgId, { id, hash }: PackReference): Promise<Uint8Array> {
    const known = this.#known.get(hash);
    if (known !== undefined) return Promise.resolve(known);
    const under = this.#asked.get(hash);
    if (under !== undefined) return under;
    const asked = this.#fetch({ t: 'pack_checks', org, id, hash }).finally(() => this.#asked.delete(hash));
    this.#asked.set(hash, asked);
    return asked;
  }

  async #fetch(request: PackChecksRequest): Promise<Uint8Array> {
    const { bus, clock, logger } = this.#options;
    const untilMs = clock.monotonic() + PATIENCE_MS;
    let why = '';
    for (let answers = 0; answers < ATTEMPTS && clock.monotonic() < untilMs; await sleep(clock, PAUSE_MS)) {
      const result = await bus.request(SUBJECTS.packs, encodeBusMessage(request), { timeoutMs: TIMEOUT_MS });
      why = result.kind;
      if (result.kind !== 'reply') continue;
      answers += 1;
      const reply = decodeBusMessage<PackChecksReply>(result.data, 'pack_checks', 'pack_unknown');
      if (reply?.t === 'pack_checks' && fits(reply.bytes, request.hash)) {
        this.#known.set(request.hash, reply.bytes);
        return reply.bytes;
      }
      why = reply?.t === 'pack_checks' ? 'other bytes than were signed' : 'unknown';
    }
    logger.warn('the checks of a pack cannot be had', { pack: request.id, org: request.org, why });
    return NONE;
  }
}

function fits(bytes: unknown, hash: string): bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array) || bytes.length === 0 || bytes.length > LIMITS.packBytes) return false;
  return createHash('sha256').update(bytes).digest('hex') === hash;
}
