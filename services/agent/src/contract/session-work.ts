import type { CommandBody, CommandCancelBody, QueryBody, ReportKeptBody } from '@muster/protocol';
import type { SessionFrame } from './server-frame.js';

/** What lives with one session: made when it is ready, ended with it. Each kind of work hears of the frames that it has a method for. */
export interface SessionWork {
  onQuery?(ref: number, body: QueryBody): void;
  onCancel?(ref: number): void;
  onCredit?(ref: number, bytes: number): void;
  onCommand?(body: CommandBody): void;
  onCommandCancel?(body: CommandCancelBody): void;
  onReportKept?(body: ReportKeptBody): void;
  onWritable(): void;
  end(): void;
}

/** A frame that is about work, and not about the session itself. */
export type WorkFrame = Exclude<SessionFrame, { kind: 'reconnect' | 'mode' }>;

/** Tells the work of a frame. */
export function tellWork(work: SessionWork, frame: WorkFrame): void {
  switch (frame.kind) {
    case 'query':
      return work.onQuery?.(frame.ref, frame.body);
    case 'cancel':
      return work.onCancel?.(frame.ref);
    case 'credit':
      return work.onCredit?.(frame.ref, frame.body.bytes);
    case 'command':
      return work.onCommand?.(frame.body);
    case 'commandCancel':
      return work.onCommandCancel?.(frame.body);
    case 'reportKept':
      return work.onReportKept?.(frame.body);
  }
}
