import type { CommandId, OrgId } from '@muster/protocol';
import { CommandFold, STREAM_SUBJECTS, type CommandRecord } from '@muster/records';

/** A command that has not ended, folded from its journal. */
export class OpenCommand {
  readonly id: CommandId;
  readonly org: OrgId;
  readonly subject: string;
  readonly fold: CommandFold;
  /** The sequence of its newest folded entry, for compare-and-set. */
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

  get isRunning(): boolean {
    return this.fold.status === 'running' && this.fold.cancel === undefined;
  }
}
