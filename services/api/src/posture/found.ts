import type { FindingJson } from '@muster/api-contract';
import type { Pack } from '@muster/packs';
import type { ScanQuery } from './scan-access.js';

/** A scan with what it found, as the formats take it: finding by finding, so that an export of any size takes the memory of one page. */
export interface Found {
  readonly scan: ScanQuery;
  readonly pack: Pack;
  readonly findings: AsyncIterable<FindingJson>;
}
