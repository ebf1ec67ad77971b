import type { EventRecord } from './contract/recorded-events.js';

/** Where records go. */
export interface RecordSink {
  /** A number for the next record that becomes a row. */
  nextRow(): number;
  put(record: EventRecord): void;
}

/** A process or thread that is to be looked at for the row `n`. */
export interface WaitingLook {
  readonly n: number;
  readonly id: number;
  /** When its event was, in microseconds since the machine started. */
  readonly at: number;
  readonly withArguments: boolean;
  /** Called afterwards, with a time not before the end of the look. False when what was seen does not belong to the row. */
  looked(until: number): boolean;
}
