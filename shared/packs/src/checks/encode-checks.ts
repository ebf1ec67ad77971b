import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { LIMITS } from '@muster/protocol';
import { z } from 'zod';
import { type Check, PACK_LIMITS } from '../format/pack-schema.js';
import type { JudgedCheck } from './judge.js';

/** What the checks of one pack may be before they are compressed. */
const PLAIN_BYTES = 4 * 1024 * 1024;

const text = (max: number) => z.string().max(max);
const checksSchema = z
  .array(
    z.object({
      id: text(PACK_LIMITS.idLength),
      platforms: z.array(z.enum(['linux', 'windows', 'darwin'])),
      applies_if: text(PACK_LIMITS.sqlLength).optional(),
      sql: text(PACK_LIMITS.sqlLength).optional(),
      row_means: z.enum(['pass', 'fail']).optional(),
      evidence: z.array(text(128)).max(PACK_LIMITS.evidenceColumns).optional(),
      not_applicable: text(500).optional(),
    }),
  )
  .min(1)
  .max(LIMITS.packChecks);

/** The checks of a pack as endpoints get them: without the texts for people, as compressed JSON. */
export interface EncodedChecks {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, hexadecimal. */
  readonly hash: string;
}

/** @throws RangeError when they are more than an endpoint takes. */
export function encodeChecks(checks: readonly Check[]): EncodedChecks {
  const plain = Buffer.from(JSON.stringify(checks.map(judged)));
  const bytes = deflateRawSync(plain, { level: 9 });
  if (plain.length > PLAIN_BYTES || bytes.length > LIMITS.packBytes)
    throw new RangeError(
      `its checks take ${plain.length} bytes, compressed ${bytes.length}; ${PLAIN_BYTES} and ${LIMITS.packBytes} can be sent to endpoints: divide the pack`,
    );
  return { bytes, hash: hashOfChecks(bytes) };
}

export function hashOfChecks(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads what {@link encodeChecks} wrote; `undefined` for anything else. Bounded, whatever the bytes are. */
export function decodeChecks(bytes: Uint8Array): readonly JudgedCheck[] | undefined {
  try {
    const plain = inflateRawSync(bytes, { maxOutputLength: PLAIN_BYTES });
    const read = checksSchema.safeParse(JSON.parse(plain.toString('utf8')));
    return read.success ? (read.data as readonly JudgedCheck[]) : undefined;
  } catch {
    return undefined;
  }
}

function judged({ id, platforms, applies_if, sql, row_means, evidence, not_applicable }: Check): JudgedCheck {
  return { id, platforms, applies_if, sql, row_means, evidence, not_applicable };
}
