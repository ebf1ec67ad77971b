import { FLAG_FINAL, FRAME, type CloseReason, type Header } from '@muster/protocol';
import type { CommandHandler } from '../capabilities/commands/command-handler.js';
import type { QueryHandler } from '../capabilities/queries/query-handler.js';
import type { Session } from './hub/session.js';

/** Why a session must end. */
export interface FrameFault {
  readonly reason: CloseReason;
  readonly detail: string;
}

/** Takes each frame of a ready session to the desk that it is for. */
export class FrameRouter {
  readonly #queries: QueryHandler;
  readonly #commands: CommandHandler;

  constructor(desks: { readonly queries: QueryHandler; readonly commands: CommandHandler }) {
    this.#queries = desks.queries;
    this.#commands = desks.commands;
  }

  /** Returns what was wrong with it, if anything was. */
  route(session: Session, { type, ref, flags }: Header, body: Uint8Array): FrameFault | undefined {
    switch (type) {
      case FRAME.rows:
        this.#queries.rows(session, ref, { body, final: flags === FLAG_FINAL });
        return undefined;
      case FRAME.queryEnd:
        return this.#queries.queryEnd(session, ref, body) ? undefined : malformed('query end');
      case FRAME.report:
        return this.#report(session, body);
      default:
        return unexpectedFrame(type);
    }
  }

  #report(session: Session, body: Uint8Array): FrameFault | undefined {
    switch (this.#commands.report(session, body)) {
      case 'taken':
        return undefined;
      case 'malformed':
        return malformed('report');
      case 'flood':
        return { reason: 'overloaded', detail: 'more reports than can be kept; come back, and repeat them less often' };
    }
  }
}

export function unexpectedFrame(type: number): FrameFault {
  return { reason: 'protocolError', detail: `frame type ${type} is not expected now` };
}

function malformed(what: string): FrameFault {
  return { reason: 'protocolError', detail: `malformed ${what}` };
}
