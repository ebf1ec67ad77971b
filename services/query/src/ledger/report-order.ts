import type { GatewayUpdate, PartialUpdate } from '@muster/messages';

/** What to do with a report that has come. */
export type Arrival =
  /** All parts of one partial, or a `targeted` report. */
  | { readonly kind: 'apply'; readonly reports: readonly GatewayUpdate[] }
  /** More parts of this partial follow. */
  | { readonly kind: 'wait' }
  /** Reports before this one were lost, so its merged rows may lack their other half; what stands by itself can still be used. */
  | { readonly kind: 'salvage'; readonly reports: readonly GatewayUpdate[] }
  /** It was taken before. */
  | { readonly kind: 'repeat' };

/** A partial of an honest gateway has a handful of parts; one that never ends must not fill the memory. */
const MAX_PARTS = 256;

/** Puts one gateway's reports for one query back together, and notices what is missing. */
export class ReportOrder {
  #next = 0;
  #lost = 0;
  #parts: PartialUpdate[] = [];
  /** After a gap nobody knows whether the next part is the head or the tail of a partial; until the next end, it is a tail. */
  #broken = false;

  /** How many reports never came. */
  get lost(): number {
    return this.#lost;
  }

  take(report: GatewayUpdate): Arrival {
    if (report.seq < this.#next) return { kind: 'repeat' };
    const stranded: GatewayUpdate[] = [];
    if (report.seq > this.#next) {
      this.#lost += report.seq - this.#next;
      stranded.push(...this.#parts);
      this.#parts = [];
      this.#broken = true;
    }
    this.#next = report.seq + 1;
    if (report.t === 'targeted') return this.#targeted(report, stranded);
    if (this.#broken) {
      this.#broken = report.more;
      return { kind: 'salvage', reports: [...stranded, report] };
    }
    this.#parts.push(report);
    if (report.more && this.#parts.length < MAX_PARTS) return { kind: 'wait' };
    const reports = this.#parts;
    this.#parts = [];
    return { kind: 'apply', reports };
  }

  /** A `targeted` report stands between partials, never inside one, so what follows it begins afresh. */
  #targeted(report: GatewayUpdate, stranded: GatewayUpdate[]): Arrival {
    this.#broken = false;
    stranded.push(...this.#parts);
    this.#parts = [];
    return stranded.length === 0
      ? { kind: 'apply', reports: [report] }
      : { kind: 'salvage', reports: [...stranded, report] };
  }
}
