/** A row with its endpoint, as a command is bound to it. */
export interface TargetRow {
  readonly agentId: string;
  readonly row: Readonly<Record<string, unknown>>;
}

/**
 * Whom a command is for. It is fixed when a panel opens: a view may be sorted and filtered, and rows may come, while
 * somebody reads what a try has said, and the command must be for exactly what was tried.
 */
export type ActTarget =
  | { readonly kind: 'selector'; readonly selector: string }
  | { readonly kind: 'agents'; readonly agentIds: readonly string[] }
  | {
      readonly kind: 'rows';
      /** The only action that they are for; any that fits where it is absent. */
      readonly action?: string;
      /** The tables that the rows come from, and their columns: which actions fit. */
      readonly tables: readonly string[];
      readonly columns: readonly string[];
      readonly rows: readonly TargetRow[];
      /** Rows that are left out: nobody knows their endpoint. */
      readonly omitted?: number;
    };
