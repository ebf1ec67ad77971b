import type {
  CommandBody,
  CommandCancelBody,
  MetricsBody,
  MetricsHistoryBody,
  ModeBody,
  PackBody,
  QueryBody,
  ReconnectBody,
  ReportKeptBody,
} from '@muster/protocol';

/** The frames that a gateway may send once the session is ready, with their decoded bodies. */
export interface SessionFrames {
  readonly reconnect: ReconnectBody;
  readonly mode: ModeBody;
  readonly query: QueryBody;
  readonly cancel: { readonly reason: string };
  readonly credit: { readonly bytes: number };
  readonly pack: PackBody;
  readonly command: CommandBody;
  readonly commandCancel: CommandCancelBody;
  readonly reportKept: ReportKeptBody;
  readonly metrics: MetricsBody;
  readonly metricsHistory: MetricsHistoryBody;
  /** A QUERY or CREDIT whose body this agent does not understand. `code` is `bad_query` or `bad_credit`. */
  readonly unreadableQuery: { readonly code: string; readonly fault: string };
  /** A COMMAND of which it understands no more than which one it is. */
  readonly unreadableCommand: CommandCancelBody & { readonly fault: string };
}

/** `ref` is the gateway's handle of a query or of a request for history, 0 for other frames. */
export type SessionFrame = {
  readonly [Kind in keyof SessionFrames]: {
    readonly kind: Kind;
    readonly ref: number;
    readonly body: SessionFrames[Kind];
  };
}[keyof SessionFrames];

export type FrameHandlers = {
  readonly [Kind in keyof SessionFrames]?: (body: SessionFrames[Kind], ref: number) => void;
};
