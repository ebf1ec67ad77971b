/** A row with its endpoint, as an order is bound to it. */
export interface TargetRow {
  readonly agentId: string;
  readonly row: Readonly<Record<string, unknown>>;
}

/** Whom an order is for. */
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
      /** Reads the values of these columns: an order is bound to no others. */
      readonly pick: (columns: readonly string[]) => Promise<readonly TargetRow[]>;
    };
