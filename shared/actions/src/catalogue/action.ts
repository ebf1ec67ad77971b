import type { Facts } from '@muster/protocol';
import type { z } from 'zod';

/** Operating systems, with the names in an endpoint's facts. */
export type ActionPlatform = Facts['os'];
export const EVERY_PLATFORM: readonly ActionPlatform[] = ['linux', 'windows', 'darwin'];

/** A table row that an action can be bound to: the columns that identify the object and detect that it has changed. */
export interface RowShape {
  /** Table of the query schema. */
  readonly table: string;
  /** Columns that identify the object. */
  readonly required: readonly string[];
  /** Columns that are also compared, if the row has them. */
  readonly optional: readonly string[];
  /** Required or optional columns that contain integers. */
  readonly integers?: readonly string[] | undefined;
  /** Columns with large values. They are stored as `<column>_sha256`, the SHA-256 in hex of the UTF-8 text. */
  readonly hashed?: readonly string[] | undefined;
}

/** One way to name the action's object in parameters. */
export interface ObjectParams {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/** One action of the catalogue. */
export interface ActionDefinition {
  /** `family.verb`. */
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  /**
   * A strict schema. Parameters that name the object are optional here, because a row can name it. {@link
   * ActionDefinition.object} has the requirement.
   */
  readonly params: z.ZodObject;
  /** The ways to name the object in parameters. Exactly one must be used. Missing when the object is the endpoint itself. */
  readonly object?: readonly ObjectParams[];
  readonly platforms: readonly ActionPlatform[];
  /** The endpoint saves what it needs to undo the action. */
  readonly reversible: boolean;
  /** Ends or removes something that may be in use. Policies and prompts are stricter for it. */
  readonly destructive: boolean;
  /** The preferred row to bind to. */
  readonly binds?: RowShape;
  /** Other rows to bind to. */
  readonly bindsToo?: readonly RowShape[];
  /** Default timeout on one endpoint. */
  readonly timeoutMs: number;
  /** Lane on the endpoint (docs/protocol.md). Actions of one lane run one after another; lanes are independent. */
  readonly lane: string;
  /** Not offered to operators. Another feature submits it. */
  readonly hidden?: true;
}

/** An error in parameters or in a row. `path` is the parameter or column, or empty for the whole. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}
