import type { Facts } from '@muster/protocol';
import type { z } from 'zod';

/** Operating systems in the words of an endpoint's facts. */
export type ActionPlatform = Facts['os'];
export const EVERY_PLATFORM: readonly ActionPlatform[] = ['linux', 'windows', 'darwin'];

/** The row of a table that an action can be bound to: the columns that say which thing it was, and that it still is that thing. */
export interface RowShape {
  /** Table of the query schema. */
  readonly table: string;
  /** Without these the row does not name one thing. */
  readonly required: readonly string[];
  /** Compared too where the row has them. */
  readonly optional: readonly string[];
  /** Columns, of either kind, that hold integers. */
  readonly integers?: readonly string[] | undefined;
  /** Columns that may be large: kept as `<column>_sha256`, the SHA-256 in hex of the text's UTF-8. */
  readonly hashed?: readonly string[] | undefined;
}

/** One way to name the action's object in parameters. */
export interface ObjectParams {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/** One entry of the catalogue. */
export interface ActionDefinition {
  /** `family.verb`. */
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  /** Strict. What names the object is optional here, because a row can name it; {@link ActionDefinition.object} says what is needed. */
  readonly params: z.ZodObject;
  /** How parameters name what is acted on; exactly one of these ways. None: the action has no object but the endpoint itself. */
  readonly object?: readonly ObjectParams[];
  readonly platforms: readonly ActionPlatform[];
  /** The endpoint keeps what it takes to undo it. */
  readonly reversible: boolean;
  /** Ends or takes away something that may be in use: policies and prompts ask more of it. */
  readonly destructive: boolean;
  /** The row that it is best bound to. */
  readonly binds?: RowShape;
  /** Other rows that it can be bound to. */
  readonly bindsToo?: readonly RowShape[];
  /** How long it may run on one endpoint unless the command says otherwise. */
  readonly timeoutMs: number;
  /** Actions of one lane run one after another on an endpoint; a stuck one holds up only its lane. */
  readonly lane: string;
  /** Not offered to operators: something else submits it. */
  readonly hidden?: true;
}

/** Something wrong with parameters or with a row. `path` is the parameter or the column; empty for the whole. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}
