/** The figures of one run that are kept: those that have a target. */
export interface KeptRun {
  readonly bench: string;
  /** ISO 8601, to the minute. */
  readonly at: string;
  readonly commit: string;
  readonly machine: string;
  readonly figures: Readonly<Record<string, { readonly value: number; readonly limit: number; readonly unit: string }>>;
}
