import type { CommandId, OrgId } from '@muster/protocol';
import { CommandFold, STREAM_SUBJECTS, type CommandRecord } from '@muster/records';

/** A command that is not settled yet, as its journal has it. */
export class OpenCommand {
  readonly id: CommandId;
  readonly org: OrgId;
  readonly subject: string;
  readonly fold: CommandFold;
  /** The sequence of its newest entry that was folded: what a compare-and-set compares with. */
  lastSeq: number;

  constructor(record: CommandRecord, seq: number) {
    this.id = record.id;
    this.org = record.org;
    this.subject = STREAM_SUBJECTS.command(record.org, record.id);
    this.fold = new CommandFold(record);
    this.lastSeq = seq;
  }

  get record(): CommandRecord {
    return this.fold.record;
  }

  /** Whether new deliveries may be tried. */
  get isRunning(): boolean {
    return this.fold.status === 'running' && this.fold.cancel === undefined;
  }
}
