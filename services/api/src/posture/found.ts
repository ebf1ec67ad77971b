import type { FindingJson } from '@muster/api-contract';
import type { Pack } from '@muster/packs';
import type { ScanQuery } from './scan-access.js';

/** A scan with what it found, as the formats take it. */
export interface Found {
  readonly scan: ScanQuery;
  readonly pack: Pack;
  readonly findings: readonly FindingJson[];
}
