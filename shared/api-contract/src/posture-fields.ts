import { isQueryId, LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { duration } from './fields.js';

/** What operations on packs and scans share. */

/** What an endpoint may take, unless the caller says otherwise. */
export const SCAN_TIMEOUT_MS = 60_000;

/** The id of a pack, or of a check in it. */
export const packId = z
  .string()
  .max(100)
  .regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, 'is not the id of a pack');

export const scanTimeout = duration(
  LIMITS.queryTimeoutMinMs,
  LIMITS.queryTimeoutMaxMs,
  'bad_timeout',
  'How long an endpoint may take: 1s to 10m, default 60s.',
);

/** What a scan keeps. */
export const SCAN_DETAILS = ['checks', 'endpoints'] as const;
export const scanDetail = z.enum(SCAN_DETAILS).meta({
  description:
    '`checks` keeps how many endpoints have each outcome and ten of them, `endpoints` also every outcome of every endpoint. Absent: `endpoints` where at most 2,000 enrolled endpoints are in scope.',
});

export const scanScore = z.number().min(0).max(100).optional().meta({
  description:
    'Weight of what passes, of all that passes or fails without an exception: critical 10, high 7, medium 3, low 1, info 0. Absent where nothing passed or failed.',
});

export const scanIdParameter = z.object({
  id: z.string().refine(isQueryId, 'is not the id of a scan').meta({ description: "The scan's id." }),
});

/** What every request to the posture service may be refused with. */
export const ASKED_POSTURE = ['no_posture_service', 'timeout'] as const;
