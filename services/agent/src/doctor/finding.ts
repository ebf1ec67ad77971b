/** What a hop found out, or why it failed. Anything thrown is a failure too. */
export interface Finding {
  readonly ok: boolean;
  readonly detail: string;
  /** What to look at, when it failed. */
  readonly advice?: string;
}
