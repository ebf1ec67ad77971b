interface Known {
  /** Scans that may have asked the endpoint. */
  readonly scans: number;
  /** Outcomes that are neither a pass nor not applicable. */
  readonly findings: number;
  readonly passes: number;
  /** The scans left nothing out. */
  readonly isWhole: boolean;
  /** No kept scan was passed over. */
  readonly isAll: boolean;
}

/** What is said where there are no findings to list. */
export function titleWithout({ scans, findings, passes, isWhole, isAll }: Known): string | undefined {
  if (findings > 0) return undefined;
  if (scans === 0) return isAll ? 'No scan that is kept names it' : 'None of the newest scans names it';
  if (!isWhole) return 'Nothing is known to fail; not all of it is known';
  if (passes === 0) return 'No check applies to it';
  return isAll ? 'It passes every check' : 'It passes every check of the newest scans';
}
