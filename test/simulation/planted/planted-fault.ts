/** In this file (below `services/` or `shared/`, as it was built), `is` becomes `was`. */
export interface Edit {
  readonly file: string;
  readonly is: string;
  readonly was: string;
}

/** A fault that is put into the product while its modules are loaded. */
export interface PlantedFault {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** It is looked for by the exhaustive search of sessions that move, not in histories. */
  readonly isHandOver?: true;
}
