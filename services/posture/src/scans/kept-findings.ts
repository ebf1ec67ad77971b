import type { ScanFinding } from '@muster/messages';
import { findingsOf } from './scan-findings.js';
import type { ReadScan } from './scan-reader.js';

/** Lists that somebody pages through now. */
const KEPT = 2;

interface Kept {
  readonly fold: ReadScan['fold'];
  readonly findings: readonly ScanFinding[];
}

/** Findings in sequence, made once for all pages of one reader: a large scan has many pages, and sorting it takes long. */
export class KeptFindings {
  readonly #kept = new Map<string, Kept>();

  /** The findings after the first `skip`. A reader who begins gets them as they are now. */
  after(scan: ReadScan, check: string | undefined, skip: number): readonly ScanFinding[] {
    const key = `${scan.query.id}/${check ?? ''}`;
    let kept = skip === 0 ? undefined : this.#kept.get(key);
    if (kept?.fold !== scan.fold) kept = { fold: scan.fold, findings: findingsOf(scan, check) };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return skip === 0 ? kept.findings : kept.findings.slice(skip);
  }

  /** Its last page was read. */
  forget({ query }: Pick<ReadScan, 'query'>, check: string | undefined): void {
    this.#kept.delete(`${query.id}/${check ?? ''}`);
  }
}
